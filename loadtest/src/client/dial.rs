//! TCP connections from several source addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Time for connecting and for the handshake, each; a SYN that meets a full backlog is retried by
/// the kernel after 1, 3 and 7 s.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Sockets per source address: below the 28,232 ports of Linux's default range. Sources begin at
/// 127.0.0.2, since 127.0.0.1 has the ports of the servers that the tool starts.
const SOCKETS_PER_SOURCE: usize = 10_000;

/// Connects to `address`; the source address depends on `index`. `receive_buffer`: bytes that the
/// kernel keeps for a client that does not read.
pub(super) async fn dial(
    index: usize,
    address: SocketAddr,
    receive_buffer: Option<u32>,
) -> Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let IpAddr::V4(ip) = address.ip()
        && ip.is_loopback()
    {
        let host = u8::try_from(2 + index / SOCKETS_PER_SOURCE).context("too many sockets")?;
        socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).context("no free source port")?;
    }
    let stream = timeout(PATIENCE, socket.connect(address))
        .await
        .with_context(|| format!("{address} did not accept within {PATIENCE:?}"))?
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    // Closing resets: 19,000 ports in TIME-WAIT for a minute would starve the next round.
    stream.set_zero_linger()?;
    Ok(stream)
}
