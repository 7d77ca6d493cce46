//! Loopback ports that stay ours while their server is down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below 32768, where Linux starts to take the local ports of outgoing connections from: a port
/// that `bind(0)` gave could be taken by any client while its server restarts.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(..COUNT)));

/// An address nobody listens on, and that no other call in this process returns for the next
/// 20,000 calls. Another process may still take it first: whoever starts a server tries again.
pub(crate) fn free() -> SocketAddr {
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port from {FIRST} up to {}", FIRST + COUNT);
}
