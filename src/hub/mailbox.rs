//! From the bus to a worker: many letters, one lock and one wake-up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::Address;
use crate::delivery::Parcel;
use crate::session::CloseReason;

/// Letters in one mailbox above which the bus stops reading until the worker has caught up; Redis then
/// holds what is published, up to its `client-output-buffer-limit pubsub`.
const HIGH_WATER: usize = 65_536;

/// What a worker is told.
#[derive(Clone, Debug)]
pub enum Letter {
    /// To one socket.
    Deliver(Address, Arc<Parcel>),
    /// To every socket of the worker.
    Broadcast(Arc<Parcel>),
    /// End one socket.
    Close(Address, CloseReason),
    /// Close every socket, spread over this long.
    Drain(Duration),
    /// Say that you run, by dropping this.
    RollCall(mpsc::Sender<()>),
}

/// Letters for one worker, in order.
#[derive(Default)]
pub struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    arrived: Notify,
    relieved: Notify,
    unread: AtomicUsize,
}

impl Mailbox {
    fn put(&self, letters: &mut Vec<Letter>) {
        self.unread.fetch_add(letters.len(), Ordering::Relaxed);
        let mut box_ = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = box_.is_empty();
        box_.append(letters);
        drop(box_);
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Waits for letters and swaps them with `read`, which must be empty; its memory is used again.
    pub async fn take(&self, read: &mut Vec<Letter>) {
        loop {
            std::mem::swap(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner), read);
            if !read.is_empty() {
                return;
            }
            self.arrived.notified().await;
        }
    }

    /// `count` letters have been acted on.
    pub fn done(&self, count: usize) {
        let before = self.unread.fetch_sub(count, Ordering::Relaxed);
        if before > HIGH_WATER && before - count <= HIGH_WATER {
            self.relieved.notify_one();
        }
    }

    /// Letters put and not yet acted on.
    pub fn unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    /// Waits until the worker has caught up.
    pub async fn relief(&self) {
        while self.unread() > HIGH_WATER {
            self.relieved.notified().await;
        }
        // One is told; it tells the next who waits.
        self.relieved.notify_one();
    }
}

/// Letters of one sender, sorted by worker and put all at once.
pub struct Batch {
    lanes: Vec<(Arc<Mailbox>, Vec<Letter>)>,
}

impl Batch {
    /// `mailboxes` as of [`Hub::lanes`](super::Hub::lanes): the index is the worker's number.
    pub fn new(mailboxes: Vec<Arc<Mailbox>>) -> Self {
        Self { lanes: mailboxes.into_iter().map(|mailbox| (mailbox, Vec::new())).collect() }
    }

    pub(super) fn push(&mut self, lane: u16, letter: Letter) {
        if let Some((_, letters)) = self.lanes.get_mut(usize::from(lane)) {
            letters.push(letter);
        }
    }

    pub(super) fn push_to_all(&mut self, letter: &dyn Fn() -> Letter) {
        for (_, letters) in &mut self.lanes {
            letters.push(letter());
        }
    }

    /// How many workers it knows.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Letters not yet sent.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|(_, letters)| letters.len()).sum()
    }

    /// Whether [`send`](Self::send) would wake nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts everything; wakes each worker at most once.
    pub fn send(&mut self) {
        for (mailbox, letters) in &mut self.lanes {
            if !letters.is_empty() {
                mailbox.put(letters);
            }
        }
    }

    /// The first worker that is too far behind.
    pub fn pressed(&self) -> Option<&Arc<Mailbox>> {
        self.lanes.iter().map(|(mailbox, _)| mailbox).find(|mailbox| mailbox.unread() > HIGH_WATER)
    }
}
