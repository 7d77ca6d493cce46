//! Clients that stay: closed, they come back when they are advised to, and go on after the last cursor.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::{Client, code_and_reason};
use crate::support::handshake::{Connect, Refused};
use crate::support::wait::until;

/// Handshakes under way at once while all arrive.
const ARRIVING: usize = 64;

/// Visitors of one address, one user each; dropping it lets them go.
pub(super) struct Visitors {
    books: Vec<Arc<Book>>,
    tasks: JoinSet<()>,
    ledger: Arc<Ledger>,
}

/// What one user has received.
#[derive(Default)]
struct Book {
    ids: Mutex<Vec<u64>>,
    cursor: Mutex<Option<String>>,
}

/// What happened to all of them.
#[derive(Default)]
struct Ledger {
    present: Mutex<usize>,
    returns: Mutex<Vec<Return>>,
    refusals: Mutex<usize>,
    wrongs: Mutex<Vec<String>>,
}

/// One visitor's way back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Return {
    /// The close was read.
    pub(super) closed: Instant,
    /// The 101 was read.
    pub(super) opened: Instant,
    /// Everything that was missed was read.
    pub(super) recovered: Instant,
}

pub(super) fn name(visitor: usize) -> String {
    format!("visitor-{visitor}")
}

impl Visitors {
    /// Returns once all have come.
    pub(super) async fn come(count: usize, to: SocketAddr) -> Self {
        let ledger = Arc::<Ledger>::default();
        let books: Vec<_> = (0..count).map(|_| Arc::<Book>::default()).collect();
        let arriving = Arc::new(Semaphore::new(ARRIVING));
        let mut tasks = JoinSet::new();
        for (visitor, book) in books.iter().enumerate() {
            let visit = Visit { to, visitor, book: book.clone(), ledger: ledger.clone() };
            tasks.spawn(visit.stay(arriving.clone()));
        }
        let visitors = Self { books, tasks, ledger };
        until("all visitors have come", Duration::from_mins(1), async || {
            visitors.nothing_is_wrong();
            (visitors.present() == count).then_some(())
        })
        .await;
        visitors
    }

    /// How many have an open socket.
    pub(super) fn present(&self) -> usize {
        *lock(&self.ledger.present)
    }

    pub(super) fn returns(&self) -> Vec<Return> {
        lock(&self.ledger.returns).clone()
    }

    /// Upgrades that were answered with 503 and `Retry-After`.
    pub(super) fn refusals(&self) -> usize {
        *lock(&self.ledger.refusals)
    }

    /// The numbers that each has received, in that order.
    pub(super) fn received(&self) -> Vec<Vec<u64>> {
        self.books.iter().map(|book| lock(&book.ids).clone()).collect()
    }

    pub(super) fn nothing_is_wrong(&self) {
        let wrongs = lock(&self.ledger.wrongs);
        assert!(wrongs.is_empty(), "{} wrongs: {:?}", wrongs.len(), wrongs.iter().take(5));
        assert_eq!(self.tasks.len(), self.books.len(), "some panicked");
    }
}

struct Visit {
    to: SocketAddr,
    visitor: usize,
    book: Arc<Book>,
    ledger: Arc<Ledger>,
}

/// Why a socket ended, and the advice that came before.
struct Ended {
    at: Instant,
    code: u16,
    come_back_after: Duration,
}

impl Visit {
    async fn stay(self, arriving: Arc<Semaphore>) {
        let turn = arriving.acquire_owned().await.expect("nobody closes it");
        let (mut client, _) = self.enter().await;
        drop(turn);
        loop {
            *lock(&self.ledger.present) += 1;
            let ended = self.listen(client).await;
            *lock(&self.ledger.present) -= 1;
            if ended.code != 1012 {
                self.wrong(&format!("closed with {}", ended.code));
            }
            sleep(ended.come_back_after).await;
            let opened;
            (client, opened) = self.enter().await;
            let recovered = Instant::now();
            lock(&self.ledger.returns).push(Return { closed: ended.at, opened, recovered });
        }
    }

    /// An open socket on which everything missed was read, and when it was opened.
    async fn enter(&self) -> (Client, Instant) {
        let mut client = self.open().await;
        let opened = Instant::now();
        let connected = client.next_json().await;
        let data = &connected["data"];
        if lock(&self.book.cursor).is_some() && data["recovered"] != true {
            self.wrong(&connected.to_string());
        }
        let cursor = data["cursor"].as_str().map(str::to_owned);
        lock(&self.book.cursor).get_or_insert(cursor.expect("a greeting has a cursor"));
        for _ in 0..data["replayed"].as_u64().unwrap_or_default() {
            let frame = client.next_of("notification").await;
            self.note(&frame);
        }
        (client, opened)
    }

    async fn open(&self) -> Client {
        loop {
            let cursor = lock(&self.book.cursor).clone();
            let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
            let connect = Connect::to_address(self.to, &format!("/ws/notifications{query}"));
            let connect = connect.user(&name(self.visitor)).protocol("campanile.v1");
            match connect.answer().await {
                Ok(Ok(client)) => return client,
                Ok(Err(refused)) => sleep(self.retry_after(&refused)).await,
                Err(error) => {
                    self.wrong(&format!("cannot connect: {error}"));
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn retry_after(&self, refused: &Refused) -> Duration {
        let seconds = refused.header("retry-after").and_then(|text| text.parse().ok());
        if let (503, Some(seconds)) = (refused.status, seconds) {
            *lock(&self.ledger.refusals) += 1;
            // As told, and not all in one moment.
            Duration::from_secs(seconds).mul_f64(1.0 + fastrand::f64())
        } else {
            self.wrong(&format!("refused with {}: {}", refused.status, refused.text()));
            Duration::from_secs(1)
        }
    }

    async fn listen(&self, mut client: Client) -> Ended {
        let mut come_back_after = Duration::ZERO;
        loop {
            let code = match client.read().await {
                Some(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                    match frame["type"].as_str() {
                        Some("notification") => self.note(&frame),
                        Some("reconnect") => {
                            let advised = frame["data"]["after_ms"].as_u64();
                            come_back_after = Duration::from_millis(advised.unwrap_or_default());
                        }
                        _ => {}
                    }
                    continue;
                }
                Some(Message::Close(frame)) => code_and_reason(frame).0,
                Some(_) => continue,
                None => 1006,
            };
            return Ended { at: Instant::now(), code, come_back_after };
        }
    }

    fn note(&self, frame: &Value) {
        let data = &frame["data"];
        let (id, cursor) = (data["id"].as_str(), data["cursor"].as_str());
        let number = id.and_then(|id| id.parse().ok()).expect("ids are numbers here");
        lock(&self.book.ids).push(number);
        *lock(&self.book.cursor) = Some(cursor.expect("it is durable").to_owned());
    }

    fn wrong(&self, what: &str) {
        lock(&self.ledger.wrongs).push(format!("{}: {what}", name(self.visitor)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
