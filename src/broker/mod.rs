//! What replicas share, behind one small interface: `redis/` for any number of them, `memory/` for one.
//! Knows neither sockets nor who is connected; those it meets as [`Interest`] and [`Sink`].

pub mod deaf;
pub mod log;
pub mod mail;
pub mod memory;
mod recent;
pub mod redis;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::notification::{Cursor, Invalid, Notification, Target, UserId};

use log::{Appended, Ask, Count, Entry, Item, Mark, Marked, Since, Summary};
pub use recent::{Numbers, Prints, Recent};

/// Users whose channel has to be subscribed, or no more.
#[derive(Debug, Default)]
pub struct Changes {
    /// To be subscribed, in the order they came.
    pub wanted: Vec<UserId>,
    /// To be unsubscribed; their last socket left a linger ago.
    pub unwanted: Vec<UserId>,
}

/// What a replica wants to hear, as the hub knows it.
pub trait Interest: Send + Sync + 'static {
    /// A new link is about to be subscribed; confirmations of the previous one are void.
    fn link_up(&self);
    /// Nothing is heard until the next [`link_up`](Self::link_up).
    fn link_down(&self);
    /// Every user whose channel must be subscribed now and who is meant; [`changes`](Self::changes) does not
    /// name them again on this link.
    fn those(&self, is_meant: &dyn Fn(&str) -> bool) -> Vec<UserId>;
    /// All of [`those`](Self::those).
    fn everyone(&self) -> Vec<UserId> {
        self.those(&|_| true)
    }
    /// What changed since the last call.
    fn changes(&self) -> Changes;
    /// Told when [`changes`](Self::changes) has somebody new.
    fn wanted(&self) -> &Notify;
    /// The subscription of `user` is in force.
    fn confirmed(&self, user: &str);
    /// The subscription of `user` is not in force any more, though the link stays; tells whether it was.
    fn lost(&self, user: &str) -> bool;
    /// Users whose number of sockets changed since the last call, with that number.
    fn recounted(&self) -> Vec<(UserId, usize)>;
    /// Makes the next [`recounted`](Self::recounted) name everyone.
    fn recount_all(&self);
    /// Told when [`recounted`](Self::recounted) has something.
    fn recount(&self) -> &Notify;
    /// Sockets on this replica, those about to open included.
    fn connections(&self) -> usize;
    /// Users with at least one socket on this replica.
    fn users(&self) -> usize;
    /// Sockets of `user` on this replica.
    fn connections_of(&self, user: &str) -> usize;
}

/// An entry was appended to the log of a user, on whichever replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged<'a> {
    /// As in the channel, not yet checked.
    pub user: &'a str,
    /// The entry's place.
    pub cursor: Cursor,
    /// The entry's before it; what does not follow the last one heard shows a gap.
    pub before: Cursor,
    /// What is unread with it.
    pub count: log::Count,
    /// The id it is kept under, as text.
    pub id: &'a str,
    /// As it was appended; what is missing is filled in by whoever reads it.
    pub payload: &'a [u8],
}

/// What was heard as a plain notification was appended to the log of its user, on whichever replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// As in the channel, not yet checked.
    pub user: &'a str,
    /// The entry's place.
    pub cursor: Cursor,
    /// The entry's before it, as in [`Logged`].
    pub before: Cursor,
    /// What is unread with it.
    pub count: log::Count,
    /// The id it is kept under, as text.
    pub id: &'a str,
}

/// What Socket.IO servers emit to have a notification delivered.
const NEW_NOTIFICATION: &str = "NEW_NOTIFICATION";

/// What a Socket.IO server emitted, to one user or to everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted<'a> {
    /// A user's id is as in the room, not yet checked.
    pub target: Target<'a>,
    /// Users who are not meant, where everyone else is.
    pub except: &'a [&'a str],
    /// Where it was published, or for several users would have been for this one alone.
    pub channel: &'a str,
    /// Such as `/ws`.
    pub namespace: &'a str,
    /// Its name.
    pub event: &'a str,
    /// Each as JSON text.
    pub arguments: &'a [&'a str],
}

impl<'a> Emitted<'a> {
    /// The notification's JSON, if it is one; empty, and so invalid, when the event came without.
    pub fn notification(&self) -> Option<&'a str> {
        let first = || self.arguments.first().copied().unwrap_or_default();
        (self.event == NEW_NOTIFICATION).then(first)
    }
}

/// Where what was heard goes.
pub trait Sink: Send + 'static {
    /// One published payload, as it came.
    fn receive(&mut self, target: Target<'_>, channel: &str, payload: &[u8]);
    /// One entry of a log.
    fn logged(&mut self, logged: &Logged<'_>);
    /// What came by [`receive`](Self::receive), or comes any moment, has its place in the log now.
    fn captured(&mut self, captured: &Captured<'_>);
    /// The log of `user` was changed by one of its clients.
    fn changed(&mut self, user: &str, change: &log::Change<'_>, count: log::Count);
    /// A payload longer than the limit, of which only the length is known.
    fn oversized(&mut self, target: Target<'_>);
    /// What a Socket.IO server emitted.
    fn emitted(&mut self, emitted: &Emitted<'_>);
    /// A Socket.IO server's message that is none, or that nobody could be given.
    fn misunderstood(&mut self, reason: Invalid);
    /// Nothing more is there right now.
    fn flush(&mut self);
    /// What to wait for before receiving more; `None` while everyone keeps up.
    fn relief(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;
    /// The channel of `user` was not subscribed for a moment while the link stayed, and is again: what was said
    /// meanwhile was not heard.
    fn doubt(&mut self, user: &str);
    /// Another replica, or this one, was asked to end every socket of `user`.
    fn disconnect(&mut self, user: &str);
}

/// Puts plain notifications into logs, by and by.
pub trait Record: Send + Sync + 'static {
    /// Never waits, and may drop. Once per id, whoever repeats it.
    fn record(&self, user: &UserId, notification: &Notification);
    /// What `payload`, published on `channel`, is recognised by.
    fn print(&self, channel: &str, payload: &[u8]) -> u64;
    /// Of what was recorded a moment ago, or dropped: to offer that again would be work when there is too much.
    fn prints(&self) -> &Prints;
    /// Resolves when everything recorded before is kept, or given up.
    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Whether what is published is heard; kept by the broker, read by probes and admission.
#[derive(Debug, Default)]
pub struct Link {
    state: Mutex<LinkState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct LinkState {
    up: bool,
    ever_up: bool,
    changed: Option<Instant>,
}

impl Link {
    fn set(&self, up: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.up != up {
            *state = LinkState { up, ever_up: state.ever_up || up, changed: Some(Instant::now()) };
        }
    }

    /// Every local user's channel is subscribed.
    pub fn is_up(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).up
    }

    /// Up, or down for no longer than `grace`; never before it was up for the first time.
    pub fn is_usable(&self, grace: Duration) -> bool {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.up || (state.ever_up && state.changed.is_some_and(|at| at.elapsed() <= grace))
    }
}

/// The shared part cannot be reached now. The text is for logs and never has a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the broker is away: {0}")]
pub struct Away(pub String);

/// Sockets over all replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Distinct users with at least one.
    pub users: u64,
    /// All of them, whoever they belong to.
    pub connections: u64,
}

/// The way replicas share.
#[derive(Clone)]
pub enum Broker {
    /// One replica, no server: what is shared lives in this process.
    Memory(Arc<memory::Memory>),
    /// Any number of replicas; needs a Redis 7.0 or newer, or one compatible with it.
    Redis(Arc<redis::Redis>),
}

impl Broker {
    /// The embedded broker's is up from its start on.
    pub fn link(&self) -> &Link {
        match self {
            Self::Memory(memory) => memory.link(),
            Self::Redis(redis) => redis.link(),
        }
    }

    /// Publishes one payload; how many subscribers the broker knows of (with Redis Cluster: on one node).
    pub async fn publish(&self, target: Target<'_>, payload: &str) -> Result<u64, Away> {
        let counts = self.publish_all(&[(target, payload)]).await?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// Publishes several payloads in order.
    pub async fn publish_all(&self, items: &[(Target<'_>, &str)]) -> Result<Vec<u64>, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.publish_all(items).await),
            Self::Redis(redis) => redis.publish_all(items).await,
        }
    }

    /// Appends each to the log of its user, once per id, in order, and publishes what is new. After an
    /// error some may be appended; to repeat the call is harmless.
    pub async fn append(&self, items: &[Item<'_>]) -> Result<Vec<Appended>, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.append(items).await),
            Self::Redis(redis) => redis.log().append(items).await,
        }
    }

    /// As [`append`](Self::append), of what was published plainly: who heard it then is told its place.
    pub async fn capture(&self, items: &[Item<'_>]) -> Result<Vec<Appended>, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.capture(items).await),
            Self::Redis(redis) => redis.log().capture(items).await,
        }
    }

    /// Marks one entry; all replicas hear of it.
    pub async fn mark(&self, user: &UserId, id: &str, mark: Mark) -> Result<Marked, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.mark(user, id, mark)),
            Self::Redis(redis) => redis.log().mark(user, id, mark).await,
        }
    }

    /// Marks everything read; all replicas hear of it.
    pub async fn mark_all(&self, user: &UserId) -> Result<Count, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.mark_all(user)),
            Self::Redis(redis) => redis.log().mark_all(user).await,
        }
    }

    /// Where the log of `user` stands.
    pub async fn summary(&self, user: &UserId) -> Result<Summary, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.summary(user)),
            Self::Redis(redis) => redis.log().summary(user).await,
        }
    }

    /// Up to `limit` entries older than the position `before` (0: from the newest), newest first.
    pub async fn list(
        &self,
        user: &UserId,
        before: u64,
        limit: usize,
        unread_only: bool,
    ) -> Result<Vec<Entry>, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.list(user, before, limit, unread_only)),
            Self::Redis(redis) => redis.log().list(user, before, limit, unread_only).await,
        }
    }

    /// Reads one part of each of these logs, in the order of `asks`.
    pub async fn catch_up(&self, asks: &[Ask]) -> Result<Vec<Since>, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.catch_up(asks)),
            Self::Redis(redis) => redis.log().catch_up(asks).await,
        }
    }

    /// Announces one more socket of `user` and tells how many the user has on the other replicas. While
    /// the broker is away, that is none.
    pub async fn claim(&self, user: &UserId) -> Claim {
        match self {
            Self::Memory(_) => Claim { elsewhere: 0 },
            Self::Redis(redis) => redis.claim(user).await,
        }
    }

    /// Exact over all replicas; at most 2 s old.
    pub async fn census(&self) -> Result<Census, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.census()),
            Self::Redis(redis) => redis.census().await,
        }
    }

    /// Sockets of one user on all replicas.
    pub async fn connections_of(&self, user: &UserId) -> Result<u64, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.connections_of(user)),
            Self::Redis(redis) => redis.connections_of(user).await,
        }
    }

    /// Ends every socket of `user`, on every replica.
    pub async fn disconnect(&self, user: &UserId) -> Result<(), Away> {
        match self {
            Self::Memory(memory) => {
                memory.disconnect(user);
                Ok(())
            }
            Self::Redis(redis) => redis.disconnect(user).await,
        }
    }

    /// Gives up what this replica holds in the shared part. Call it after the last socket is gone.
    pub async fn stop(&self) {
        if let Self::Redis(redis) = self {
            redis.stop().await;
        }
    }
}

/// What a [`Broker::claim`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Sockets of the user on all other replicas, those being opened at this moment included.
    pub elsewhere: u64,
}
