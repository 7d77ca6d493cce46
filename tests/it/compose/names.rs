//! A name server that knows one name, as that of a container's runtime does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// A, in a question and in an answer (RFC 1035, 3.2.2).
const ADDRESS: [u8; 2] = [0, 1];
/// After the header.
const QUESTION: usize = 12;

/// Dropping it ends the server.
pub(super) struct Names {
    address: SocketAddr,
    hosts: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Names {
    /// Answers that `name` is at these addresses of the loopback network, of which the last number is given.
    pub(super) async fn start(name: &'static str, hosts: &[u8]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("has an address");
        let hosts = Arc::new(Mutex::new(hosts.to_vec()));
        let known = hosts.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let hosts = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let answer = answer(&buffer[..length], name, &hosts);
                socket.send_to(&answer, from).await.ok();
            }
        });
        Self { address, hosts, task }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next question on.
    pub(super) fn become_these(&self, hosts: &[u8]) {
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner) = hosts.to_vec();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is answered to a query with one question (RFC 1035, 4.1).
fn answer(query: &[u8], name: &str, hosts: &[u8]) -> Vec<u8> {
    let label = query[QUESTION] as usize;
    let end = QUESTION + 1 + label + 1 + 4;
    assert_eq!(&query[QUESTION + 1..=QUESTION + label], name.as_bytes());
    let asks_for_addresses = query[end - 4..end - 2] == ADDRESS;
    let hosts = if asks_for_addresses { hosts } else { &[] };
    let count = u8::try_from(hosts.len()).expect("few");
    let mut text = query[..2].to_vec();
    // An answer, with recursion, without error; one question, that many answers and nothing more.
    text.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    text.extend(&query[QUESTION..end]);
    for &host in hosts {
        // The name of the question; class IN; for one second; four bytes.
        text.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, host]);
    }
    text
}
