//! A TCP proxy that breaks the network between a gateway and its Redis.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::ports;

/// Forwards until told otherwise; dropping it closes everything.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<JoinSet<()>>,
}

struct Shared {
    upstream: SocketAddr,
    connections: Mutex<JoinSet<()>>,
    accepted: AtomicUsize,
    delay_micros: AtomicU64,
    /// Of the connections accepted from now on; [`Proxy::restore`] puts a fresh one here, so that
    /// what was stalled once stays dead, as behind a NAT that forgot it.
    stalled: Mutex<Arc<AtomicBool>>,
}

impl Proxy {
    /// Listens on a port of its own and forwards to `upstream`.
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            connections: Mutex::default(),
            accepted: AtomicUsize::new(0),
            delay_micros: AtomicU64::new(0),
            stalled: Mutex::default(),
        });
        let (address, listener) = loop {
            let address = ports::free();
            if let Ok(listener) = TcpListener::bind(address).await {
                break (address, listener);
            }
        };
        let proxy = Self { address, shared, accepting: Mutex::default() };
        proxy.accept(listener);
        proxy
    }

    /// The same through every [`Proxy::cut`] and [`Proxy::restore`].
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it ever accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Closes every connection and refuses new ones; returns once that is so.
    pub(crate) async fn cut(&self) {
        let mut accepting = std::mem::take(&mut *lock(&self.accepting));
        accepting.shutdown().await;
        let mut connections = std::mem::take(&mut *lock(&self.shared.connections));
        connections.shutdown().await;
    }

    /// Swallows what arrives, on open connections and on new ones, and tells nobody anything.
    pub(crate) fn stall(&self) {
        lock(&self.shared.stalled).store(true, Ordering::Relaxed);
    }

    /// Forwards new connections again; stalled ones stay stalled.
    pub(crate) async fn restore(&self) {
        let cut = lock(&self.accepting).is_empty();
        if cut {
            let listener = TcpListener::bind(self.address).await;
            self.accept(listener.expect("the port of the proxy is still free"));
        }
        let mut stalled = lock(&self.shared.stalled);
        if stalled.load(Ordering::Relaxed) {
            *stalled = Arc::default();
        }
    }

    /// Delays every byte from now on by this much in each direction, keeping the order.
    pub(crate) fn delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).expect("a delay of a test");
        self.shared.delay_micros.store(micros, Ordering::Relaxed);
    }

    fn accept(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        lock(&self.accepting).spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                let stalled = Arc::clone(&lock(&shared.stalled));
                let connection = Arc::clone(&shared).forward(client, stalled);
                lock(&shared.connections).spawn(async {
                    // The connection ended; which side broke it is not the proxy's business.
                    connection.await.ok();
                });
            }
        });
    }
}

impl Shared {
    async fn forward(
        self: Arc<Self>,
        client: TcpStream,
        stalled: Arc<AtomicBool>,
    ) -> io::Result<()> {
        client.set_nodelay(true)?;
        if stalled.load(Ordering::Relaxed) {
            let (from_client, _to_client) = client.into_split();
            swallow(from_client).await;
        }
        let server = TcpStream::connect(self.upstream).await?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            self.pump(from_client, to_server, &stalled),
            self.pump(from_server, to_client, &stalled),
        )?;
        Ok(())
    }

    /// One direction: reads at once, writes when the delay of each chunk is over.
    async fn pump(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        stalled: &AtomicBool,
    ) -> io::Result<()> {
        let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
        let read = async move {
            loop {
                let mut chunk = Vec::with_capacity(16 * 1024);
                let end = from.read_buf(&mut chunk).await? == 0;
                if stalled.load(Ordering::Relaxed) {
                    swallow(from).await;
                }
                let delay = Duration::from_micros(self.delay_micros.load(Ordering::Relaxed));
                if end || sender.send((Instant::now() + delay, chunk)).await.is_err() {
                    return Ok::<_, io::Error>(());
                }
            }
        };
        let write = async move {
            while let Some((at, chunk)) = chunks.recv().await {
                sleep_until(at).await;
                to.write_all(&chunk).await?;
            }
            to.shutdown().await
        };
        tokio::try_join!(read, write)?;
        Ok(())
    }
}

/// Reads and forgets, and never returns: the peer sees an open connection until it gives up.
async fn swallow(mut from: OwnedReadHalf) -> ! {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(1..) = from.read(&mut chunk).await {}
    std::future::pending().await
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
