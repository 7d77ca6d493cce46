//! Thousands of sockets that write down what they get and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::client::{Client, code_and_reason};
use super::handshake::Connect;
use super::wait::{eventually, until};

/// Handshakes under way at once.
const OPENING: usize = 128;

/// Open sockets, numbered from 0; dropping it closes them all.
pub(crate) struct Swarm {
    sockets: Vec<Arc<Record>>,
    readers: JoinSet<()>,
}

/// One text frame and when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) text: Utf8Bytes,
}

/// How a socket ended and when that was read; code and reason as [`Client::next_close`].
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) at: Instant,
    pub(crate) code: u16,
    pub(crate) reason: String,
}

#[derive(Default)]
struct Record {
    outgoing: Mutex<Vec<String>>,
    wake: Notify,
    count: AtomicUsize,
    frames: Mutex<Vec<Received>>,
    close: Mutex<Option<Closed>>,
}

impl Swarm {
    /// Opens `count` sockets with the handshake that `connect` makes for each number; returns
    /// once all are open. A refusal panics.
    pub(crate) async fn open(count: usize, connect: impl Fn(usize) -> Connect) -> Self {
        let sockets: Vec<_> = (0..count).map(|_| Arc::<Record>::default()).collect();
        let opening = Arc::new(Semaphore::new(OPENING));
        let opened = Arc::new(AtomicUsize::new(0));
        let mut readers = JoinSet::new();
        for (number, record) in sockets.iter().enumerate() {
            let (connect, record) = (connect(number), Arc::clone(record));
            let (opening, opened) = (Arc::clone(&opening), Arc::clone(&opened));
            readers.spawn(async move {
                let turn = opening.acquire_owned().await.expect("nobody closes the semaphore");
                let client = connect.await.unwrap_or_else(|refused| {
                    panic!("socket {number} refused with {}: {}", refused.status, refused.text())
                });
                opened.fetch_add(1, Ordering::Relaxed);
                drop(turn);
                record.keep(client).await;
            });
        }
        let mut swarm = Self { sockets, readers };
        let patience = Duration::from_secs(10 + count as u64 / 100);
        until(&format!("{count} sockets open"), patience, async || {
            // A task that ended this early may have panicked over a refusal.
            while let Some(ended) = swarm.readers.try_join_next() {
                ended.expect("the socket opened");
            }
            (opened.load(Ordering::Relaxed) == count).then_some(())
        })
        .await;
        swarm
    }

    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// How many are still open.
    pub(crate) fn open_count(&self) -> usize {
        self.sockets.iter().filter(|socket| lock(&socket.close).is_none()).count()
    }

    /// Every text frame that this socket got so far.
    pub(crate) fn frames(&self, socket: usize) -> Vec<Received> {
        lock(&self.sockets[socket].frames).clone()
    }

    /// How many text frames each socket got so far.
    pub(crate) fn counts(&self) -> Vec<usize> {
        self.sockets.iter().map(|socket| socket.count.load(Ordering::Relaxed)).collect()
    }

    /// Code and reason of the sockets that were closed; as [`Client::next_close`].
    pub(crate) fn closes(&self) -> Vec<(u16, String)> {
        let closed = self.closed().into_iter();
        closed.map(|closed| (closed.code, closed.reason)).collect()
    }

    /// The same with the time of each.
    pub(crate) fn closed(&self) -> Vec<Closed> {
        self.sockets.iter().filter_map(|socket| lock(&socket.close).clone()).collect()
    }

    /// Sends this text frame on every open socket, soon.
    pub(crate) fn send_each(&self, text: &str) {
        for socket in &self.sockets {
            lock(&socket.outgoing).push(text.to_owned());
            socket.wake.notify_one();
        }
    }

    /// Waits until every socket has at least `frames` text frames.
    pub(crate) async fn every_socket_has(&self, frames: usize, within: Duration) {
        let what = format!("each of {} sockets has {frames} frames", self.len());
        eventually(&what, within, async || self.counts().iter().all(|&count| count >= frames))
            .await;
    }

    /// Waits until this socket has at least `frames` text frames.
    pub(crate) async fn socket_has(&self, socket: usize, frames: usize, within: Duration) {
        let count = &self.sockets[socket].count;
        let what = format!("socket {socket} has {frames} frames");
        eventually(&what, within, async || count.load(Ordering::Relaxed) >= frames).await;
    }

    /// Waits until no socket is open any more.
    pub(crate) async fn every_socket_is_closed(&self, within: Duration) {
        let what = format!("each of {} sockets is closed", self.len());
        eventually(&what, within, async || self.open_count() == 0).await;
    }
}

impl Record {
    async fn keep(&self, mut client: Client) {
        loop {
            let message = tokio::select! {
                message = client.read() => message,
                () = self.wake.notified() => {
                    let outgoing = std::mem::take(&mut *lock(&self.outgoing));
                    for text in outgoing {
                        client.send_text(&text).await;
                    }
                    continue;
                }
            };
            match message {
                Some(Message::Text(text)) => {
                    lock(&self.frames).push(Received { at: Instant::now(), text });
                    self.count.fetch_add(1, Ordering::Relaxed);
                }
                Some(Message::Close(frame)) => {
                    self.closed(code_and_reason(frame));
                    // Reading on sends the answer to the close frame.
                    while client.read().await.is_some() {}
                    return;
                }
                Some(_) => {}
                None => {
                    self.closed((1006, String::new()));
                    return;
                }
            }
        }
    }

    fn closed(&self, (code, reason): (u16, String)) {
        *lock(&self.close) = Some(Closed { at: Instant::now(), code, reason });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
