//! The supervised loop that hears: one connection of its own, subscribed to what the hub wants. It never
//! gives up, and after every reconnect it derives the subscriptions anew.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::Order;
use super::adapter::{self, Answers, Said};
use super::channels::{Channels, Heard};
use super::connect::Node;
use super::heard;
use super::nodes::Nodes;
use super::resp::Reply;
use super::wire::{Ended, Wire};
use crate::broker::{Captured, Interest, Link, Logged, Sink};
use crate::config::SocketIoAdapter;
use crate::notification::{Invalid, Target, UserId};
use crate::telemetry::Metrics;

/// Channels in one SUBSCRIBE: 400,000 a second, where one by one it is 20,000.
pub(super) const SUBSCRIBE_BATCH: usize = 512;
/// Channels asked for and not yet confirmed. The confirmations of a million wait in Redis when nobody reads
/// them meanwhile, and it cuts the link at 32 MB (`client-output-buffer-limit pubsub`).
pub(super) const MAX_UNCONFIRMED: usize = 16 * SUBSCRIBE_BATCH;
/// Pause after looking at the hub's changes, so that those of a few milliseconds share a command.
pub(super) const COALESCE: Duration = Duration::from_millis(2);
/// How often the link is proved alive and unsubscribing is looked at.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// A link on which nothing was heard for this long after it was asked is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// Longest pause between attempts to connect; the first is a tenth of it.
pub(super) const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// An outage is logged when it begins, and then this often.
pub(super) const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Probes that may be missing before the link counts as subscribed to the wrong server. One is published
/// every 2 s.
pub(super) const MISSING_PROBES: u64 = 5;

/// Numbers of the last probe that Redis took from this replica, and of the last that came back.
#[derive(Debug, Default)]
pub(super) struct Probes {
    pub(super) published: AtomicU64,
    returned: AtomicU64,
    /// How many links there have been.
    links: AtomicU64,
}

impl Probes {
    pub(super) fn missing(&self) -> u64 {
        let published = self.published.load(Ordering::Relaxed);
        published.saturating_sub(self.returned.load(Ordering::Relaxed))
    }

    pub(super) fn links(&self) -> u64 {
        self.links.load(Ordering::Relaxed)
    }

    pub(super) fn start_over(&self) {
        self.links.fetch_add(1, Ordering::Relaxed);
        self.forgive();
    }

    pub(super) fn forgive(&self) {
        self.returned.store(self.published.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

pub(super) struct Bus {
    pub(super) nodes: Arc<Nodes>,
    pub(super) channels: Channels,
    pub(super) replica: String,
    pub(super) interest: Arc<dyn Interest>,
    pub(super) sink: Box<dyn Sink>,
    pub(super) link: Arc<Link>,
    pub(super) probes: Arc<Probes>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) max_payload_bytes: usize,
    /// Told when a replica that captured has left.
    pub(super) vacancy: Arc<Notify>,
    /// To servers that take a replica for one of their kind.
    pub(super) answers: Option<Answers>,
    /// Whether to say SSUBSCRIBE.
    pub(super) is_sharded: bool,
    /// Users whose channel was lost while the link stayed, and is not confirmed again yet.
    pub(super) doubted: HashSet<String>,
}

impl Bus {
    /// Hears for ever.
    pub(super) async fn run(mut self) {
        let mut backoff = MAX_BACKOFF / 10;
        let mut complained = None;
        loop {
            let started = Instant::now();
            let ended = if self.is_sharded { self.hear_shards().await } else { self.hear().await };
            let was_up = self.link.is_up();
            self.link.set(false);
            self.interest.link_down();
            self.metrics.redis_connected.set(0);
            self.metrics.redis_subscriptions.set(0);
            self.metrics.redis_reconnects.inc();
            if was_up || started.elapsed() > MAX_BACKOFF {
                backoff = MAX_BACKOFF / 10;
            }
            if was_up || complained.is_none_or(|at: Instant| at.elapsed() > COMPLAIN_EVERY) {
                complained = Some(Instant::now());
                tracing::warn!(
                    redis = %self.nodes.topology,
                    reason = ended,
                    "not subscribed to Redis; sockets stay open, trying again"
                );
            }
            sleep(backoff.mul_f64(fastrand::f64())).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// One link, from connecting to its end.
    async fn hear(&mut self) -> Ended {
        let (mut wire, node) = match Wire::open(&self.nodes).await {
            Ok(opened) => opened,
            Err(ended) => return ended,
        };
        match self.serve(&mut wire, &node).await {
            Ok(()) => "the loop ended".into(),
            Err(ended) => ended,
        }
    }

    async fn serve(&mut self, wire: &mut Wire, node: &Node) -> Result<(), Ended> {
        self.interest.link_up();
        self.probes.start_over();
        wire.subscribe(self.own_channels().into_iter()).await?;
        wire.subscribe_as(self.adapter_words().0, self.channels.namespaces().into_iter()).await?;
        wire.subscribe_as("PSUBSCRIBE", self.channels.requests().into_iter()).await?;
        let everyone = self.interest.everyone();
        tracing::debug!(users = everyone.len(), "subscribing anew");
        self.subscribe(wire, &everyone).await?;
        drop(everyone);
        wire.all_asked_for = true;
        self.note_complete(wire);
        let mut probe = tokio::time::interval(PROBE_INTERVAL);
        probe.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let interest = self.interest.clone();
        let mut coalesced = Instant::now();
        let mut map = self.nodes.watch();
        map.mark_changed();
        loop {
            tokio::select! {
                read = wire.read() => {
                    read?;
                    self.digest(wire).await?;
                }
                Ok(()) = map.changed() => {
                    if !map.borrow_and_update().masters().contains(node) {
                        return Err(format!("{node} is no master any more"));
                    }
                }
                () = wanted(&*interest, coalesced) => {
                    coalesced = Instant::now() + COALESCE;
                    self.follow(wire).await?;
                }
                _ = probe.tick() => {
                    if wire.asked.is_some_and(|asked| asked.elapsed() > SILENCE) {
                        return Err(format!("nothing heard for {SILENCE:?}"));
                    }
                    if self.probes.missing() > MISSING_PROBES {
                        return Err("probes are published but not heard".into());
                    }
                    wire.send(&[b"PING"]).await?;
                    wire.asked.get_or_insert_with(Instant::now);
                    self.follow(wire).await?;
                }
            }
        }
    }

    /// Subscribes to whom the hub has gained and leaves whom it has lost.
    async fn follow(&mut self, wire: &mut Wire) -> Result<(), Ended> {
        let changes = self.interest.changes();
        self.subscribe(wire, &changes.wanted).await?;
        for users in changes.unwanted.chunks(SUBSCRIBE_BATCH) {
            let names: Vec<String> =
                users.iter().map(|user| self.channels.user(user.as_str())).collect();
            wire.unsubscribe(&names).await?;
            let rooms: Vec<String> = self.channels.rooms(users).collect();
            wire.unsubscribe_as(self.adapter_words().1, &rooms).await?;
            self.metrics.redis_subscriptions.sub(i64::try_from(users.len()).unwrap_or_default());
        }
        Ok(())
    }

    async fn subscribe(&mut self, wire: &mut Wire, users: &[UserId]) -> Result<(), Ended> {
        for users in users.chunks(SUBSCRIBE_BATCH) {
            // Before the users' own channels: Redis confirms in this order, so that the confirmation of the
            // own one is that of all.
            wire.subscribe_as(self.adapter_words().0, self.channels.rooms(users)).await?;
            wire.subscribe(users.iter().map(|user| self.channels.user(user.as_str()))).await?;
            while wire.unconfirmed > MAX_UNCONFIRMED {
                let read = timeout(SILENCE, wire.read()).await;
                read.map_err(|_elapsed| format!("nothing confirmed for {SILENCE:?}"))??;
                self.digest(wire).await?;
            }
        }
        Ok(())
    }

    /// Acts on what was read, and reads no more until the workers have caught up.
    pub(super) async fn digest(&mut self, wire: &mut Wire) -> Result<(), Ended> {
        self.understand(wire)?;
        let mut waited = false;
        while let Some(relief) = self.sink.relief() {
            relief.await;
            waited = true;
        }
        if waited {
            // The probes of that time are still to be read; the link is not to blame.
            self.probes.forgive();
        }
        Ok(())
    }

    /// Takes every complete reply out of the buffer.
    fn understand(&mut self, wire: &mut Wire) -> Result<(), Ended> {
        let limit = heard::longest(self.max_payload_bytes);
        let result = wire.each_reply(limit, |wire, reply| self.take(wire, reply));
        self.sink.flush();
        result
    }

    fn take(&mut self, wire: &mut Wire, reply: &Reply<'_>) -> Result<(), Ended> {
        match *reply {
            Reply::Message { channel, payload } => {
                let Ok(name) = std::str::from_utf8(channel) else { return Ok(()) };
                match self.channels.heard(name) {
                    Heard::Published(Target::User(user)) => self.user(user, name, payload),
                    Heard::Published(target) => self.sink.receive(target, name, payload),
                    Heard::Control => self.obey(payload),
                    Heard::Probe => {
                        let number = std::str::from_utf8(payload).ok().and_then(|n| n.parse().ok());
                        self.probes.returned.fetch_max(number.unwrap_or(0), Ordering::Relaxed);
                    }
                    place @ (Heard::Room { .. } | Heard::Namespace(_) | Heard::Requests(_)) => {
                        self.adapter(place, name, payload);
                    }
                    Heard::Unknown => {}
                }
            }
            Reply::Oversized { channel, skip } => {
                wire.skip = skip;
                let name = std::str::from_utf8(channel).unwrap_or_default();
                match self.channels.heard(name) {
                    Heard::Published(target) => self.sink.oversized(target),
                    Heard::Room { .. } | Heard::Namespace(_) | Heard::Requests(_) => {
                        let limit = self.max_payload_bytes;
                        self.sink.misunderstood(Invalid::TooLarge { limit });
                    }
                    Heard::Control | Heard::Probe | Heard::Unknown => {}
                }
            }
            Reply::Subscribed(channel) => self.confirmed(wire, channel),
            Reply::Unsubscribed(channel) => wire.left(channel),
            // NOPERM and NOAUTH too: somebody may repair the permissions, so this is tried again.
            Reply::Error(text) if !wire.refused(text) => return Err(format!("Redis said: {text}")),
            Reply::Ok | Reply::Other | Reply::Error(_) => {}
        }
        Ok(())
    }

    fn adapter(&mut self, place: Heard<'_>, channel: &str, payload: &[u8]) {
        let (sink, answers) = (&mut self.sink, &self.answers);
        let understood = adapter::understand(place, channel, payload, |said| match said {
            Said::Emitted(emitted) => sink.emitted(emitted),
            Said::Disconnect(user) => sink.disconnect(user),
            Said::Asked { channel, answer } => {
                if let Some(answers) = answers {
                    answers.give((*channel).to_owned(), (*answer).to_owned());
                }
            }
        });
        if let Err(reason) = understood {
            sink.misunderstood(reason);
        }
    }

    fn user(&mut self, user: &str, channel: &str, payload: &[u8]) {
        match heard::read(payload) {
            // What only looks like the log's is counted as what it is: no JSON object.
            heard::Heard::Plain | heard::Heard::Garbled => {
                self.sink.receive(Target::User(user), channel, payload);
            }
            heard::Heard::Logged { cursor, before, count, id, payload } => {
                self.sink.logged(&Logged { user, cursor, before, count, id, payload });
            }
            heard::Heard::Captured { cursor, before, count, id } => {
                self.sink.captured(&Captured { user, cursor, before, count, id });
            }
            heard::Heard::Changed { change, count } => self.sink.changed(user, &change, count),
        }
    }

    fn confirmed(&mut self, wire: &mut Wire, channel: &[u8]) {
        let name = std::str::from_utf8(channel).unwrap_or_default();
        if wire.confirmed()
            && let Heard::Published(Target::User(user)) = self.channels.heard(name)
        {
            self.interest.confirmed(user);
            self.metrics.redis_subscriptions.inc();
            if self.doubted.remove(user) {
                self.sink.doubt(user);
            }
        }
        self.note_complete(wire);
    }

    /// The link is up once everyone is subscribed.
    fn note_complete(&self, wire: &Wire) {
        if wire.all_asked_for && wire.unconfirmed == 0 && !self.link.is_up() {
            self.is_complete();
        }
    }

    pub(super) fn is_complete(&self) {
        self.link.set(true);
        self.metrics.redis_connected.set(1);
        tracing::info!(redis = %self.nodes.topology, "subscribed to Redis");
    }

    fn obey(&mut self, order: &[u8]) {
        match serde_json::from_slice(order) {
            Ok(Order::Disconnect { user }) => self.sink.disconnect(&user),
            Ok(Order::Vacancy {}) => self.vacancy.notify_one(),
            Ok(Order::Nothing {}) => {}
            Err(_) => tracing::warn!("an order from another replica is not understood"),
        }
    }

    /// How to subscribe to the Socket.IO adapter's channels, and how to leave them.
    fn adapter_words(&self) -> (&'static str, &'static str) {
        match self.channels.adapter() {
            SocketIoAdapter::Sharded => ("SSUBSCRIBE", "SUNSUBSCRIBE"),
            SocketIoAdapter::Off | SocketIoAdapter::Classic => ("SUBSCRIBE", "UNSUBSCRIBE"),
        }
    }

    pub(super) fn own_channels(&self) -> [String; 3] {
        [
            self.channels.broadcast().to_owned(),
            self.channels.control(),
            self.channels.probe(&self.replica),
        ]
    }
}

/// The pause since the last look is over, and somebody new is wanted. In this order: dropped between
/// the two it would forget what it was told.
pub(super) async fn wanted(interest: &dyn Interest, not_before: Instant) {
    tokio::time::sleep_until(not_before).await;
    interest.wanted().notified().await;
}
