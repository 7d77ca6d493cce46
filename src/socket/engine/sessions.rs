//! Which connection a sid names, for requests that arrive on any worker.

use std::collections::{HashMap, VecDeque};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::dialect::engineio::NOOP;
use crate::hub::Address;
use crate::telemetry::Metrics;

/// Requests that may wait for one worker; the next waits in its handler.
pub(in crate::socket) const MAX_CALLS: usize = 1024;
/// How long a request waits for a worker that is behind.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A poll that was sent before the connection ended may be read after it.
const TOMBSTONE: Duration = Duration::from_secs(1);
/// Ended connections remembered at a time; beyond it, their polls are answered like any unknown sid.
const MAX_TOMBSTONES: usize = 4096;

/// A request for one connection.
pub(in crate::socket) enum Call {
    /// Wants what there is, and waits for it.
    Poll(Address, oneshot::Sender<Polled>),
    /// The client of a poll has left.
    Abandoned(Address),
    /// Packets; the token that came with the request.
    Post(Address, String, Option<String>, oneshot::Sender<Posted>),
    /// Two requests at a time where one is allowed, or something that no client sends.
    Offence(Address),
    /// A WebSocket to move to, perhaps, and what was read of it.
    Probe(Address, TcpStream, BytesMut),
}

/// The answer to a poll.
#[derive(Debug)]
pub enum Polled {
    /// Packets.
    Payload(Vec<u8>),
    /// Another poll waits already; the connection ends.
    Overlap,
    /// The connection has moved to a WebSocket.
    Moved,
    /// There is no such connection any more.
    Gone,
}

impl Polled {
    /// A packet that means nothing.
    pub fn nothing() -> Self {
        Self::Payload(NOOP.into())
    }
}

/// The answer to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// They were read.
    Done,
    /// One of them was none; the connection ends.
    Bad,
    /// The connection has moved to a WebSocket.
    Moved,
    /// There is no such connection any more.
    Gone,
}

#[derive(Clone)]
struct Place {
    lane: mpsc::Sender<Call>,
    address: Address,
    posting: Arc<AtomicBool>,
}

#[derive(Default)]
struct Places {
    open: HashMap<Uuid, Place>,
    /// Oldest first.
    gone: VecDeque<(Uuid, Instant)>,
}

/// All connections of Socket.IO that began by polling, and how many have not shown a valid token.
pub struct Sessions {
    places: Mutex<Places>,
    strangers: AtomicUsize,
    max_strangers: usize,
    metrics: Arc<Metrics>,
}

/// What a sid names.
pub enum Found {
    /// This connection.
    Open(Ticket),
    /// One that ended a moment ago; told once.
    JustGone,
    /// Nothing here.
    Nothing,
}

impl Sessions {
    /// At most so many may be without a valid token at a time.
    pub fn new(max_strangers: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let (places, strangers) = (Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { places, strangers, max_strangers, metrics })
    }

    /// Counts one more without a valid token; `None`: there are too many.
    pub fn stranger(self: &Arc<Self>) -> Option<Stranger> {
        let stranger = self.stranger_again();
        (self.strangers() <= self.max_strangers).then_some(stranger)
    }

    /// As [`stranger`](Self::stranger), for one that is in already.
    pub(super) fn stranger_again(self: &Arc<Self>) -> Stranger {
        self.strangers.fetch_add(1, Ordering::Relaxed);
        self.metrics.socketio_unauthenticated.inc();
        Stranger(self.clone())
    }

    /// How many have not shown a valid token.
    pub fn strangers(&self) -> usize {
        self.strangers.load(Ordering::Relaxed)
    }

    /// The connection with this sid, as a client says it.
    pub fn find(&self, sid: &str) -> Found {
        let Ok(sid) = Uuid::try_parse(sid) else { return Found::Nothing };
        let mut places = self.places();
        if let Some(place) = places.open.get(&sid) {
            return Found::Open(Ticket { place: place.clone() });
        }
        let at = places.gone.iter().position(|(gone, at)| *gone == sid && at.elapsed() < TOMBSTONE);
        match at {
            Some(at) => {
                places.gone.remove(at);
                Found::JustGone
            }
            None => Found::Nothing,
        }
    }

    pub(super) fn register(
        self: &Arc<Self>,
        lane: mpsc::Sender<Call>,
        address: Address,
    ) -> Registered {
        // 122 random bits from the system: who guesses it has the connection.
        let sid = Uuid::new_v4();
        self.places().open.insert(sid, Place { lane, address, posting: Arc::default() });
        Registered { sessions: self.clone(), sid }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sid that names a connection; dropping it ends that.
pub(super) struct Registered {
    sessions: Arc<Sessions>,
    sid: Uuid,
}

impl Registered {
    pub(super) fn sid(&self) -> String {
        self.sid.simple().to_string()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut places = self.sessions.places();
        places.open.remove(&self.sid);
        let now = Instant::now();
        while places.gone.front().is_some_and(|(_, at)| now.duration_since(*at) >= TOMBSTONE)
            || places.gone.len() >= MAX_TOMBSTONES
        {
            places.gone.pop_front();
        }
        places.gone.push_back((self.sid, now));
    }
}

/// One connection without a valid token; dropping it uncounts it.
pub struct Stranger(Arc<Sessions>);

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.strangers.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.socketio_unauthenticated.dec();
    }
}

/// The way to one connection, from any thread.
pub struct Ticket {
    place: Place,
}

/// The only request of its connection that sends packets, until dropped.
pub struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Tells the worker of a poll that nobody waits for any more.
struct Leaves<'a>(Option<&'a Place>);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            // A worker that is behind finds out when it answers.
            place.lane.try_send(Call::Abandoned(place.address)).ok();
        }
    }
}

impl Ticket {
    /// Waits until there is something to say. Dropped before that, the client has left.
    pub async fn poll(&self) -> Polled {
        let mut leaves = Leaves(Some(&self.place));
        let (answer, answered) = oneshot::channel();
        if !self.call(Call::Poll(self.place.address, answer)).await {
            return Polled::Gone;
        }
        let polled = answered.await.unwrap_or(Polled::Gone);
        leaves.0 = None;
        polled
    }

    /// `None`: another request sends packets at the moment.
    pub fn turn(&self) -> Option<Turn> {
        let busy = self.place.posting.swap(true, Ordering::AcqRel);
        (!busy).then(|| Turn(self.place.posting.clone()))
    }

    /// Hands over packets, and the token that came with them.
    pub async fn post(&self, _turn: Turn, body: String, token: Option<String>) -> Posted {
        let (answer, answered) = oneshot::channel();
        if !self.call(Call::Post(self.place.address, body, token, answer)).await {
            return Posted::Gone;
        }
        answered.await.unwrap_or(Posted::Gone)
    }

    /// Ends the connection: its client does what none does.
    pub async fn offence(&self) {
        self.call(Call::Offence(self.place.address)).await;
    }

    /// Offers a WebSocket whose handshake is answered; `early` was read behind it.
    pub async fn probe(&self, stream: TcpStream, early: BytesMut) {
        self.call(Call::Probe(self.place.address, stream, early)).await;
    }

    /// `false`: the worker is gone, or does not answer.
    async fn call(&self, call: Call) -> bool {
        matches!(timeout(CALL_TIMEOUT, self.place.lane.send(call)).await, Ok(Ok(())))
    }
}
