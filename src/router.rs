//! From a published payload to the workers' mailboxes. Does not await and does no IO.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::broker::log::{Change, Mark};
use crate::broker::{Logged, Sink};
use crate::delivery::Parcel;
use crate::hub::{Batch, Hub};
use crate::notification::{Count, Invalid, MissingId, Notification, Target};
use crate::session::CloseReason;
use crate::telemetry::{Metrics, Source};

/// Letters collected before the workers are woken, even if more could be read.
const BATCH: usize = 4096;
/// Invalid payloads are logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(5);

/// Parses what the broker hears and addresses it to every socket it is for.
pub struct Router {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    batch: Batch,
    max_payload_bytes: usize,
    complained: Option<Instant>,
}

impl Router {
    /// Workers that register with `hub` later are met before the next batch.
    pub fn new(hub: Arc<Hub>, metrics: Arc<Metrics>, max_payload_bytes: usize) -> Self {
        let batch = Batch::new(hub.lanes());
        Self { hub, metrics, batch, max_payload_bytes, complained: None }
    }

    fn invalid(&mut self, reason: Invalid) {
        self.metrics.invalid(Source::Pubsub, reason);
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                reason = reason.label(),
                "dropped an invalid notification: {reason}; more within {COMPLAIN_EVERY:?} are only counted"
            );
        }
    }

    fn route(&mut self, user: &str, parcel: &Arc<Parcel>) {
        let sockets = self.hub.deliver(user, parcel, &mut self.batch);
        tracing::debug!(sockets, "notification routed");
        if self.batch.len() >= BATCH {
            self.batch.send();
        }
    }

    /// A worker that was started after this router (actix replaces one that panicked) joins here.
    fn meet_new_workers(&mut self) {
        if self.batch.is_empty() && self.batch.lanes() != self.hub.lane_count() {
            self.batch = Batch::new(self.hub.lanes());
        }
    }
}

impl Sink for Router {
    fn receive(&mut self, target: Target<'_>, channel: &str, payload: &[u8]) {
        self.meet_new_workers();
        let received = Instant::now();
        let missing_id = MissingId::Derived { channel };
        let parsed = Notification::parse(
            payload,
            target,
            missing_id,
            Timestamp::now(),
            self.max_payload_bytes,
        );
        let notification = match parsed {
            Ok(notification) => notification,
            Err(reason) => return self.invalid(reason),
        };
        self.metrics.received(Source::Pubsub);
        let parcel = Arc::new(Parcel::plain(notification, received));
        match target {
            Target::User(user) => self.route(user, &parcel),
            Target::Broadcast => {
                let sockets = self.hub.broadcast(&parcel, &mut self.batch);
                tracing::debug!(sockets, "notification routed");
            }
        }
    }

    fn logged(&mut self, logged: &Logged<'_>) {
        self.meet_new_workers();
        let received = Instant::now();
        let Logged { user, cursor, count, id, payload, .. } = *logged;
        // The function keeps what publishers sent as it is, so what is missing is filled in here.
        let appended = Timestamp::from_millisecond(cursor.at.cast_signed());
        let parsed = Notification::parse(
            payload,
            Target::User(user),
            MissingId::Kept(id),
            appended.unwrap_or_else(|_| Timestamp::now()),
            self.max_payload_bytes,
        );
        match parsed {
            Ok(notification) => {
                self.metrics.received(Source::Log);
                let parcel = Parcel::logged(notification, cursor, count, received);
                self.route(user, &Arc::new(parcel));
            }
            Err(reason) => self.invalid(reason),
        }
    }

    fn changed(&mut self, user: &str, change: &Change<'_>, count: Count) {
        self.meet_new_workers();
        let (id, status) = match change {
            Change::Marked { id, mark: Mark::Read } => (Some((*id).to_owned()), "read"),
            Change::Marked { id, mark: Mark::Deleted } => (Some((*id).to_owned()), "deleted"),
            Change::AllRead => (None, "all_read"),
        };
        let parcel = Arc::new(Parcel::update(id, status, count, Instant::now()));
        self.route(user, &parcel);
    }

    fn oversized(&mut self, _target: Target<'_>) {
        self.invalid(Invalid::TooLarge { limit: self.max_payload_bytes });
    }

    fn flush(&mut self) {
        self.batch.send();
    }

    fn relief(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let mailbox = self.batch.pressed()?.clone();
        Some(Box::pin(async move { mailbox.relief().await }))
    }

    fn doubt(&mut self, user: &str) {
        tracing::debug!(user, "may have missed something");
    }

    fn disconnect(&mut self, user: &str) {
        // After what was published before it.
        self.batch.send();
        let sockets = self.hub.close(user, CloseReason::Revoked);
        if sockets > 0 {
            tracing::info!(user, sockets, "disconnected on request");
        }
    }
}
