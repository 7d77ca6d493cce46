//! What comes on the channels of all users: plain notifications to hold, and the word that one is appended.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::fresh::{Fresh, Raw};
use super::held::{Held, Plain};
use super::lease::Role;
use crate::broker::redis::adapter::{self, Said};
use crate::broker::redis::channels::{Channels, Heard as Place};
use crate::broker::redis::heard::{self, Heard};
use crate::broker::redis::resp::Reply;
use crate::broker::redis::wire::{Ended, Wire};
use crate::broker::{Recent, Record};
use crate::notification::{Invalid, MissingId, Notification, Target, UserId};
use crate::telemetry::{Metrics, Source};

/// How long the leader leaves a notification to the replicas that hold its user's sockets.
const LEADER_WAITS: Duration = Duration::from_millis(50);
/// How long the standby leaves one to the leader.
const STANDBY_WAITS: Duration = Duration::from_secs(2);
/// Invalid payloads are logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Hearing {
    channels: Channels,
    recorder: Arc<dyn Record>,
    metrics: Arc<Metrics>,
    max_payload_bytes: usize,
    fresh: Fresh,
    held: Held,
    /// Of what was appended while something was fresh, the hash of user and id.
    settled: Recent,
    hasher: RandomState,
    role: Option<Role>,
    complained: Option<Instant>,
}

impl Hearing {
    pub(super) fn new(
        channels: Channels,
        recorder: Arc<dyn Record>,
        metrics: Arc<Metrics>,
        max_payload_bytes: usize,
    ) -> Self {
        Self {
            channels,
            recorder,
            metrics,
            max_payload_bytes,
            fresh: Fresh::default(),
            held: Held::default(),
            settled: Recent::default(),
            hasher: RandomState::new(),
            role: None,
            complained: None,
        }
    }

    pub(super) fn role(&mut self, role: Option<Role>) {
        self.role = role;
    }

    /// Whether it hears from now on.
    pub(super) fn listens(&self, listens: bool) {
        self.recorder.prints().read(listens);
    }

    /// Takes every complete reply out of the buffer.
    pub(super) fn understand(&mut self, wire: &mut Wire) -> Result<(), Ended> {
        let limit = heard::longest(self.max_payload_bytes);
        let result = wire.each_reply(limit, |wire, reply| self.take(wire, reply));
        self.show();
        result
    }

    fn take(&mut self, wire: &mut Wire, reply: &Reply<'_>) -> Result<(), Ended> {
        match *reply {
            Reply::Message { channel, payload } => {
                if let Ok(name) = std::str::from_utf8(channel) {
                    self.hear(name, payload);
                }
            }
            Reply::Oversized { channel, skip } => {
                wire.skip = skip;
                let name = std::str::from_utf8(channel).unwrap_or_default();
                if let Place::Published(Target::User(_))
                | Place::Room { .. }
                | Place::Namespace(_) = self.channels.heard(name)
                {
                    self.invalid(Invalid::TooLarge { limit: self.max_payload_bytes });
                }
            }
            Reply::Subscribed(_) => wire.unconfirmed = wire.unconfirmed.saturating_sub(1),
            Reply::Unsubscribed(_) | Reply::Ok | Reply::Other => {}
            Reply::Error(text) => return Err(format!("Redis said: {text}")),
        }
        Ok(())
    }

    /// What is for everyone is in nobody's log.
    fn hear(&mut self, channel: &str, payload: &[u8]) {
        match self.channels.heard(channel) {
            Place::Published(Target::User(user)) => self.published(user, channel, payload),
            place @ (Place::Room { .. } | Place::Namespace(_)) => {
                let heard = adapter::understand(place, channel, payload, |said| {
                    if let Said::Emitted(emitted) = said
                        && let (Target::User(user), Some(payload)) =
                            (emitted.target, emitted.notification())
                    {
                        self.hold(user, emitted.channel, payload.as_bytes());
                    }
                });
                if let Err(reason) = heard {
                    self.invalid(reason);
                }
            }
            _ => {}
        }
    }

    fn published(&mut self, user: &str, channel: &str, payload: &[u8]) {
        match heard::read(payload) {
            Heard::Logged { id, .. } | Heard::Captured { id, .. } => self.settle(user, id),
            Heard::Changed { .. } => {}
            Heard::Plain | Heard::Garbled => self.hold(user, channel, payload),
        }
    }

    fn hold(&mut self, user: &str, channel: &str, payload: &[u8]) {
        let print = self.recorder.print(channel, payload);
        self.fresh.push(Raw::new(Instant::now(), print, user, channel, payload));
    }

    /// It is appended, wherever it is held.
    fn settle(&mut self, user: &str, id: &str) {
        self.held.forget(user, id);
        if self.fresh.len() > 0 {
            self.settled.leave(self.hasher.hash_one((user, id)), Instant::now().into_std());
        }
    }

    /// Parses what nobody here has recorded, and holds what nobody elsewhere has.
    fn look(&mut self, now: Instant, patience: Duration) {
        while let Some(raw) = self.fresh.take_due(now, patience) {
            if self.recorder.prints().take(raw.print) {
                continue;
            }
            match self.plain(&raw) {
                Ok(plain) => {
                    let id = plain.notification.id_text();
                    let hash = self.hasher.hash_one((plain.user.as_str(), &*id));
                    if !self.settled.take(hash) {
                        self.held.hold(plain);
                    }
                }
                Err(reason) => self.invalid(reason),
            }
        }
    }

    fn plain(&self, raw: &Raw) -> Result<Plain, Invalid> {
        let (user, channel, payload) = raw.parts();
        let (target, missing_id) = (Target::User(user), MissingId::Derived { channel });
        let limit = self.max_payload_bytes;
        let notification =
            Notification::parse(payload, target, missing_id, Timestamp::now(), limit)?;
        Ok(Plain { heard: raw.heard, user: UserId::new(user)?, notification })
    }

    /// The leader counts, so that it is counted once.
    fn invalid(&mut self, reason: Invalid) {
        if self.role != Some(Role::Leader) {
            return;
        }
        self.metrics.invalid(Source::Capture, reason);
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                reason = reason.label(),
                "kept no invalid notification: {reason}; more within {COMPLAIN_EVERY:?} are only counted"
            );
        }
    }

    fn patience(&self) -> Duration {
        if self.role == Some(Role::Leader) { LEADER_WAITS } else { STANDBY_WAITS }
    }

    /// When [`release_due`](Self::release_due) has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let fresh = self.fresh.oldest().map(|heard| heard + LEADER_WAITS);
        let held = self.held.oldest().map(|heard| heard + self.patience());
        fresh.into_iter().chain(held).min()
    }

    /// Has that appended which nobody else has appended in time.
    pub(super) fn release_due(&mut self) {
        self.release(self.patience());
    }

    /// Has everything appended at once.
    pub(super) fn release_all(&mut self) {
        self.release(Duration::ZERO);
    }

    fn release(&mut self, patience: Duration) {
        let now = Instant::now();
        self.look(now, patience.min(LEADER_WAITS));
        while let Some(plain) = self.held.take_due(now, patience) {
            self.metrics.received(Source::Capture);
            self.recorder.record(&plain.user, &plain.notification);
        }
        self.show();
    }

    fn show(&self) {
        let held = self.fresh.len() + self.held.len();
        self.metrics.capture_held_items.set(i64::try_from(held).unwrap_or(i64::MAX));
    }
}
