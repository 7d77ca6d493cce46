//! All sockets of one worker thread: its mail, its timers, its buffer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::local::LocalHistogram;
use slab::Slab;
use tokio::sync::{Notify, mpsc};
use tokio_util::time::{DelayQueue, delay_queue};

use super::engine::{Call, Door, MAX_CALLS, Sessions};
use super::{Clock, Conn, Seat, drain};
use crate::auth::{Identity, Verifier};
use crate::delivery::Parcel;
use crate::dialect::Dialect;
use crate::hub::{Address, Hub, Letter, Mailbox, Quota};
use crate::inbox::Inbox;
use crate::recovery::Recovery;
use crate::session::{Moment, Rules, millis};
use crate::telemetry::Metrics;

/// Sockets written to before other tasks of the worker get their turn.
const TURN: usize = 256;
/// One read; a worker has one such buffer for all its sockets.
const READ_BUFFER: usize = 16 * 1024;

/// What all sockets of a replica need.
pub struct Rig {
    /// Name of this run of this replica; part of every connection id.
    pub(crate) replica: String,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) rules: Rules,
    pub(crate) quota: Quota,
    pub(crate) max_frame_bytes: Option<usize>,
    pub(crate) write_timeout: Duration,
    /// Clock skew that tokens are forgiven.
    pub(crate) leeway: Duration,
    pub(crate) clock: Clock,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) door: Arc<dyn Door>,
    /// How long a connection of Socket.IO may be without a valid token.
    pub(crate) auth_timeout: u64,
    /// Between two `TEST_NOTIFICATION`; zero: there is none.
    pub(crate) test_interval: Duration,
}

impl Rig {
    /// What a client may say at a time, in bytes.
    pub fn max_frame_bytes(&self, dialect: Dialect) -> usize {
        self.max_frame_bytes.unwrap_or(dialect.default_max_frame_bytes())
    }

    /// When a connection with this identity must end. The leeway that let a token in lets it stay.
    pub fn expiry(&self, identity: &Identity) -> Option<Moment> {
        let expires_at = identity.expires_at?;
        // In the past: accepted within the leeway.
        let left = expires_at.duration_since(SystemTime::now()).unwrap_or_default();
        Some(self.clock.now().after(millis(left.saturating_add(self.leeway))))
    }
}

/// The sockets of one worker.
pub struct Lane {
    pub(super) rig: Arc<Rig>,
    number: u16,
    pub(super) conns: RefCell<Slab<Rc<Conn>>>,
    generations: RefCell<u32>,
    timers: RefCell<DelayQueue<Address>>,
    timer_set: Notify,
    /// Where requests for connections of Socket.IO go.
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) buffer: RefCell<Box<[u8]>>,
    /// Merged into the shared histograms once per batch of letters.
    pub(super) delivery: RefCell<LocalHistogram>,
    pub(super) publish_to_delivery: RefCell<LocalHistogram>,
}

impl Lane {
    /// Starts the lane of this worker. Must be called on the worker's thread.
    pub fn start(rig: Arc<Rig>) -> Rc<Self> {
        let (number, mailbox) = rig.hub.add_lane();
        let (calls, called) = mpsc::channel(MAX_CALLS);
        let test_interval = rig.test_interval;
        let lane = Rc::new(Self {
            number,
            conns: RefCell::default(),
            generations: RefCell::default(),
            timers: RefCell::default(),
            timer_set: Notify::new(),
            calls,
            buffer: RefCell::new(vec![0; READ_BUFFER].into()),
            delivery: RefCell::new(rig.metrics.delivery_seconds.local()),
            publish_to_delivery: RefCell::new(rig.metrics.publish_to_delivery_seconds.local()),
            rig,
        });
        actix_rt::spawn(lane.clone().read_mail(mailbox));
        actix_rt::spawn(lane.clone().keep_time());
        actix_rt::spawn(lane.clone().take_calls(called));
        if !test_interval.is_zero() {
            actix_rt::spawn(lane.clone().send_test_notifications(test_interval));
        }
        lane
    }

    pub(crate) fn rig(&self) -> &Arc<Rig> {
        &self.rig
    }

    pub(super) fn ping_interval(&self, dialect: Dialect) -> Duration {
        Duration::from_millis(self.rig.rules.rhythm_of(dialect).ping_interval)
    }

    pub(super) fn now(&self) -> Moment {
        self.rig.clock.now()
    }

    /// Takes a slot for a connection that is about to open.
    pub fn seat(self: &Rc<Self>, dialect: Dialect) -> Seat {
        Seat::new(self.clone(), self.slot(dialect))
    }

    /// The same, of a connection that is open.
    pub(super) fn slot(&self, dialect: Dialect) -> Rc<Conn> {
        let mut generations = self.generations.borrow_mut();
        *generations = generations.wrapping_add(1);
        let mut conns = self.conns.borrow_mut();
        let vacant = conns.vacant_entry();
        let address = Address {
            lane: self.number,
            slot: u32::try_from(vacant.key()).unwrap_or(u32::MAX),
            generation: *generations,
            counts: dialect.counts(),
        };
        let conn = Rc::new(Conn::new(address, dialect));
        vacant.insert(conn.clone());
        conn
    }

    /// The connection at `address`, unless it has gone.
    pub(super) fn at(&self, address: Address) -> Option<Rc<Conn>> {
        let conns = self.conns.borrow();
        let conn = conns.get(address.slot as usize)?;
        (conn.address == address).then(|| conn.clone())
    }

    pub(super) fn remove(&self, conn: &Conn) {
        let mut conns = self.conns.borrow_mut();
        let slot = conn.address.slot as usize;
        if conns.get(slot).is_some_and(|tenant| tenant.address == conn.address) {
            let gone = conns.remove(slot);
            // Its membership leaves the hub, which must not happen under a borrow of ours.
            drop(conns);
            drop(gone);
        }
    }

    async fn read_mail(self: Rc<Self>, mailbox: Arc<Mailbox>) {
        let mut letters = Vec::new();
        loop {
            mailbox.take(&mut letters).await;
            let (mut work, mut opened) = (0, 0);
            for letter in letters.drain(..) {
                work += self.open(letter);
                opened += 1;
                if work >= TURN {
                    mailbox.done(opened);
                    (work, opened) = (0, 0);
                    tokio::task::yield_now().await;
                }
            }
            mailbox.done(opened);
            self.delivery.borrow().flush();
            self.publish_to_delivery.borrow().flush();
        }
    }

    /// Acts on one letter; how many sockets that concerned.
    fn open(self: &Rc<Self>, letter: Letter) -> usize {
        match letter {
            Letter::Deliver(address, parcel) => {
                if let Some(conn) = self.at(address) {
                    conn.deliver(self, &parcel);
                }
            }
            Letter::Broadcast(parcel) => {
                let conns = self.all();
                for conn in &conns {
                    conn.deliver(self, &parcel);
                }
                return conns.len();
            }
            Letter::Close(address, reason) => {
                if let Some(conn) = self.at(address) {
                    conn.close(self, reason);
                }
            }
            Letter::Drain(window) => {
                actix_rt::spawn(drain::drain(self.clone(), window));
            }
            Letter::RollCall(present) => drop(present),
        }
        1
    }

    pub(super) fn all(&self) -> Vec<Rc<Conn>> {
        self.conns.borrow().iter().map(|(_, conn)| conn.clone()).collect()
    }

    async fn keep_time(self: Rc<Self>) {
        loop {
            let due = poll_fn(|context| self.timers.borrow_mut().poll_expired(context)).await;
            match due {
                Some(expired) => {
                    let address = expired.into_inner();
                    if let Some(conn) = self.at(address) {
                        conn.on_deadline(&self);
                    }
                }
                // An empty queue is ready at once.
                None => self.timer_set.notified().await,
            }
        }
    }

    /// Has the connection's deadline looked at in the tick that follows it: what is due within one tick, and
    /// the pongs that it leads to, share a wake-up.
    pub(super) fn set_timer(&self, conn: &Conn, deadline: Moment) {
        let deadline = deadline.round_up(self.rig.rules.tick());
        let at = self.rig.clock.instant(deadline).into();
        let mut timers = self.timers.borrow_mut();
        let mut timer = conn.timer.borrow_mut();
        if let Some(key) = &*timer {
            if timers.deadline(key) != at {
                timers.reset_at(key, at);
            }
        } else {
            *timer = Some(timers.insert_at(conn.address, at));
            self.timer_set.notify_one();
        }
    }

    pub(super) fn forget_timer(&self, key: delay_queue::Key) {
        self.timers.borrow_mut().try_remove(&key);
    }

    /// `parcel` is completely written to one socket.
    pub(super) fn delivered(&self, dialect: Dialect, parcel: &Parcel) {
        let Some(notification) = parcel.notification() else { return };
        self.rig.metrics.delivered(dialect);
        if parcel.is_replay() {
            self.rig.metrics.replayed_notifications.inc();
            return;
        }
        self.delivery.borrow().observe(parcel.received().elapsed().as_secs_f64());
        if let Some(published) = notification.timestamp() {
            // Clocks of publishers differ from ours; what seems to come from the future took no time.
            let age = jiff::Timestamp::now().duration_since(published).as_secs_f64();
            self.publish_to_delivery.borrow().observe(age.max(0.0));
        }
    }
}
