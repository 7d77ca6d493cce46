//! Who is connected: users and the sockets they have open on this replica. Delivering never awaits.
//!
//! A user's entry lives from the first join until the subscription that it caused has been given back,
//! a second after the last leave; so a page reload costs Redis nothing.

mod catch_up;
mod held;
mod interest;
mod mailbox;
mod outbox;
mod place;

use std::collections::HashMap;
use std::collections::hash_map::{Entry as Slot, RandomState};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use catch_up::Doubt;
pub use held::{Held, Release};
pub use interest::Interest;
pub use mailbox::{Batch, Letter, Mailbox};
pub use outbox::{Full, Outbox, Quota};
pub use place::Heard;

use crate::delivery::Parcel;
use crate::notification::UserId;
use crate::session::CloseReason;
use place::Place;

/// Locks are held for a map lookup and a few pushes; 64 keep two dozen threads apart.
const SHARDS: usize = 64;
/// How long a subscription outlives its last socket.
pub const LINGER: Duration = Duration::from_secs(1);

/// Where a socket lives: its worker's lane, its slot there, and which of the slot's tenants it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Number of the worker, in the order of [`Hub::add_lane`].
    pub lane: u16,
    /// Index in the worker's slab; used again after a leave.
    pub slot: u32,
    /// Which tenant of the slot; a letter for a former one is dropped.
    pub generation: u32,
    /// Whether its client is told of changes that are nothing but a count.
    pub counts: bool,
}

#[derive(Default)]
struct Entry {
    members: SmallVec<[Address; 1]>,
    /// The link (see [`Hub::link_up`]) on which Redis confirmed the subscription; 0: none.
    confirmed: u32,
    /// The link on which it was last asked for, so that no one is asked for twice on one: the second
    /// confirmation could be taken for that of a later entry.
    asked: u32,
    waiting: Vec<oneshot::Sender<()>>,
    idle_since: Option<Instant>,
    place: Place,
}

impl Entry {
    fn address(&self, parcel: &Arc<Parcel>, batch: &mut Batch) {
        let for_all = !parcel.is_count_only();
        for address in self.members.iter().filter(|address| for_all || address.counts) {
            batch.push(address.lane, Letter::Deliver(*address, parcel.clone()));
        }
    }
}

/// The registry of one replica.
pub struct Hub {
    shards: Box<[Mutex<HashMap<UserId, Entry>>]>,
    hasher: RandomState,
    lanes: RwLock<Vec<Arc<Mailbox>>>,
    interest: Interest,
    /// Number of the current link to the broker; 0 while there is none.
    link: AtomicU32,
    links: AtomicU32,
    users: AtomicUsize,
    connections: AtomicUsize,
    /// Number of the last reading of somebody's log.
    readings: AtomicU32,
}

impl Hub {
    /// Empty, without workers and without a link; it is shared from the start.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            lanes: RwLock::default(),
            interest: Interest::default(),
            link: AtomicU32::new(0),
            links: AtomicU32::new(0),
            users: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            readings: AtomicU32::new(0),
        })
    }

    /// Registers a worker; its number is the `lane` of its sockets' addresses.
    pub fn add_lane(&self) -> (u16, Arc<Mailbox>) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let number = u16::try_from(lanes.len()).unwrap_or(u16::MAX);
        let mailbox = Arc::new(Mailbox::default());
        lanes.push(mailbox.clone());
        (number, mailbox)
    }

    /// The mailbox of every worker; its index is the worker's number.
    pub fn lanes(&self) -> Vec<Arc<Mailbox>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Workers registered so far. It only grows: a worker that panicked keeps its number.
    pub fn lane_count(&self) -> usize {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Users with at least one socket here.
    pub fn users(&self) -> usize {
        self.users.load(Ordering::Relaxed)
    }

    /// Sockets here, those about to open included.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Sockets of one user here.
    pub fn connections_of(&self, user: &str) -> usize {
        self.shard(user).get(user).map_or(0, |entry| entry.members.len())
    }

    /// Adds a socket. It is delivered to from now on; whether the broker already hears the user's channel
    /// is for [`Membership::subscribed`] to tell.
    pub fn join(self: &Arc<Self>, user: &UserId, address: Address) -> Membership {
        let mut shard = self.shard(user.as_str());
        let (user, rank, subscribed) = match shard.entry(user.clone()) {
            Slot::Occupied(mut slot) => {
                let user = slot.key().clone();
                let entry = slot.get_mut();
                if entry.members.is_empty() {
                    self.users.fetch_add(1, Ordering::Relaxed);
                }
                entry.idle_since = None;
                let subscribed = self.enter(entry, address);
                (user, entry.members.len(), subscribed)
            }
            Slot::Vacant(slot) => {
                let user = slot.key().clone();
                self.users.fetch_add(1, Ordering::Relaxed);
                let mut entry = Entry::default();
                let subscribed = self.enter(&mut entry, address);
                slot.insert(entry);
                self.interest.want(user.clone());
                (user, 1, subscribed)
            }
        };
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        drop(shard);
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.interest.counted(user.clone());
        Membership { hub: self.clone(), user, address, rank, subscribed }
    }

    fn enter(&self, entry: &mut Entry, address: Address) -> Option<oneshot::Receiver<()>> {
        entry.members.push(address);
        let link = self.link.load(Ordering::Acquire);
        if link != 0 && entry.confirmed == link {
            return None;
        }
        let (confirm, confirmed) = oneshot::channel();
        entry.waiting.push(confirm);
        Some(confirmed)
    }

    fn leave(&self, user: &UserId, address: Address) {
        let mut shard = self.shard(user.as_str());
        let Some(entry) = shard.get_mut(user) else { return };
        let Some(at) = entry.members.iter().position(|member| *member == address) else { return };
        entry.members.swap_remove(at);
        if entry.members.is_empty() {
            entry.members.shrink_to_fit();
            let now = Instant::now();
            entry.idle_since = Some(now);
            self.users.fetch_sub(1, Ordering::Relaxed);
            self.interest.idle(user.clone(), now);
        }
        drop(shard);
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.interest.counted(user.clone());
    }

    /// Puts `parcel` into `batch` for every socket of `user`; how many there are.
    /// For what has no place in the log; [`deliver_logged`](Self::deliver_logged) is for what has.
    pub fn deliver(&self, user: &str, parcel: &Arc<Parcel>, batch: &mut Batch) -> usize {
        let mut shard = self.shard(user);
        let Some(entry) = shard.get_mut(user) else { return 0 };
        entry.place.count(parcel.count());
        entry.address(parcel, batch);
        entry.members.len()
    }

    /// Puts `parcel` into `batch` for every socket of every user.
    pub fn broadcast(&self, parcel: &Arc<Parcel>, batch: &mut Batch) -> usize {
        batch.push_to_all(&|| Letter::Broadcast(parcel.clone()));
        self.connections()
    }

    /// As [`broadcast`](Self::broadcast), but not for these users; how many sockets it is for.
    pub fn broadcast_but(&self, except: &[&str], parcel: &Arc<Parcel>, batch: &mut Batch) -> usize {
        if except.is_empty() {
            return self.broadcast(parcel, batch);
        }
        let mut sockets = 0;
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, entry) in shard.iter().filter(|(user, _)| !except.contains(&user.as_str())) {
                entry.address(parcel, batch);
                sockets += entry.members.len();
            }
        }
        sockets
    }

    /// Ends every socket of `user` on this replica; how many there were.
    pub fn close(&self, user: &str, reason: CloseReason) -> usize {
        let mut batch = Batch::new(self.lanes());
        let shard = self.shard(user);
        let members = shard.get(user).map_or(&[][..], |entry| &entry.members);
        for address in members {
            batch.push(address.lane, Letter::Close(*address, reason));
        }
        let count = members.len();
        drop(shard);
        batch.send();
        count
    }

    /// Asks every lane to close its sockets spread over `window`.
    pub fn drain(&self, window: Duration) {
        let mut batch = Batch::new(self.lanes());
        batch.push_to_all(&|| Letter::Drain(window));
        batch.send();
    }

    /// Returns when every worker has read its mail.
    pub async fn roll_call(&self) {
        let (called, mut all_present) = mpsc::channel(1);
        let mut batch = Batch::new(self.lanes());
        batch.push_to_all(&|| Letter::RollCall(called.clone()));
        batch.send();
        drop(called);
        // Ends when the last worker has dropped its sender.
        all_present.recv().await;
    }

    fn shard(&self, user: &str) -> MutexGuard<'_, HashMap<UserId, Entry>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let number = self.hasher.hash_one(user) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket's place in the hub; dropping it leaves.
pub struct Membership {
    hub: Arc<Hub>,
    user: UserId,
    address: Address,
    rank: u32,
    subscribed: Option<oneshot::Receiver<()>>,
}

impl Membership {
    /// Shares the text of the hub's own key, so that a user's sockets hold one copy.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// How many sockets of the user were here when this one joined, itself included. Of several that join
    /// at once it tells who came first.
    pub fn rank(&self) -> u32 {
        self.rank
    }

    /// Waits until the broker has confirmed that it hears the user's channel. Returns at once when it
    /// already does; waits for ever while there is no link, so give it a deadline.
    pub async fn subscribed(&mut self) {
        if let Some(confirmed) = self.subscribed.take() {
            // An error means that the entry went away, which a member of it prevents.
            confirmed.await.ok();
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(&self.user, self.address);
    }
}

#[cfg(test)]
mod tests;
