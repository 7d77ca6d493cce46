//! From a published payload to the workers' mailboxes. Does not await and does no IO.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::broker::log::{Change, Mark};
use crate::broker::{Captured, Emitted, Logged, Record, Sink};
use crate::delivery::Parcel;
use crate::dialect::Namespace;
use crate::hub::{Batch, Heard, Hub};
use crate::notification::{Count, Invalid, MissingId, Notification, Target, UserId, json_string};
use crate::recovery::Discarder;
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
    discarder: Discarder,
    complained: Option<Instant>,
    recorder: Option<Arc<dyn Record>>,
}

impl Router {
    /// Workers that register with `hub` later are met before the next batch.
    pub fn new(
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
        max_payload_bytes: usize,
        discarder: Discarder,
    ) -> Self {
        let batch = Batch::new(hub.lanes());
        Self { hub, metrics, batch, max_payload_bytes, discarder, complained: None, recorder: None }
    }

    /// Also offers the plain notifications of users who are here to `recorder`.
    #[must_use]
    pub fn recording(mut self, recorder: Option<Arc<dyn Record>>) -> Self {
        self.recorder = recorder;
        self
    }

    fn invalid(&mut self, source: Source, reason: Invalid) {
        self.metrics.invalid(source, reason);
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

    /// As [`route`](Self::route), of what is only live so far and goes into the log as well.
    fn route_and_record(&mut self, user: &str, parcel: &Arc<Parcel>, published: (&str, &[u8])) {
        let Some(recorder) = &self.recorder else {
            self.route(user, parcel);
            return;
        };
        let Some(notification) = parcel.notification() else { return };
        let id = notification.id_text();
        let Some(user) = self.hub.deliver_plain(user, &id, parcel, &mut self.batch) else { return };
        recorder.record(&user, notification);
        if recorder.prints().are_read() {
            let (channel, payload) = published;
            recorder.prints().leave(recorder.print(channel, payload));
        }
        if self.batch.len() >= BATCH {
            self.batch.send();
        }
    }

    fn heard(&mut self, user: &str, heard: Heard) {
        tracing::debug!(?heard, "entry of a log routed");
        if heard == Heard::Gap {
            // What is read in the log must not overtake what was heard before.
            self.batch.send();
            self.hub.doubt(user);
        }
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

impl Router {
    /// What only clients of Socket.IO know, and only those who are here now.
    fn event(&mut self, emitted: &Emitted<'_>) -> Result<(), Invalid> {
        // No other is subscribed to.
        let Some(namespace) = Namespace::named(emitted.namespace) else { return Ok(()) };
        let name = json_string(emitted.event);
        let words: Vec<&str> =
            std::iter::once(&*name).chain(emitted.arguments.iter().copied()).collect();
        let text = format!("[{}]", words.join(","));
        let limit = self.max_payload_bytes;
        if text.len() > limit {
            return Err(Invalid::TooLarge { limit });
        }
        self.meet_new_workers();
        let parcel = Arc::new(Parcel::event(namespace, &text, Instant::now()));
        match emitted.target {
            Target::User(user) => self.route(user, &parcel),
            Target::Broadcast => {
                self.hub.broadcast_but(emitted.except, &parcel, &mut self.batch);
            }
        }
        self.metrics.events_received.inc();
        Ok(())
    }

    /// A notification that is in no log yet.
    fn plain(
        &mut self,
        source: Source,
        (target, except): (Target<'_>, &[&str]),
        channel: &str,
        payload: &[u8],
    ) {
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
            Err(reason) => return self.invalid(source, reason),
        };
        self.metrics.received(source);
        let parcel = Arc::new(Parcel::plain(notification, received));
        match target {
            Target::User(user) => self.route_and_record(user, &parcel, (channel, payload)),
            Target::Broadcast => {
                let sockets = self.hub.broadcast_but(except, &parcel, &mut self.batch);
                tracing::debug!(sockets, "notification routed");
            }
        }
    }
}

impl Sink for Router {
    fn receive(&mut self, target: Target<'_>, channel: &str, payload: &[u8]) {
        self.plain(Source::Pubsub, (target, &[]), channel, payload);
    }

    fn emitted(&mut self, emitted: &Emitted<'_>) {
        let Emitted { target, except, channel, .. } = *emitted;
        if let Target::User(user) = target {
            if let Err(reason) = UserId::check(user) {
                return self.invalid(Source::Adapter, reason.into());
            }
            // Of the rooms of one message most are somebody else's, and each would be read anew.
            if self.hub.connections_of(user) == 0 {
                return;
            }
        }
        if let Some(payload) = emitted.notification() {
            return self.plain(Source::Adapter, (target, except), channel, payload.as_bytes());
        }
        if let Err(reason) = self.event(emitted) {
            self.invalid(Source::Adapter, reason);
        }
    }

    fn misunderstood(&mut self, reason: Invalid) {
        self.invalid(Source::Adapter, reason);
    }

    fn logged(&mut self, logged: &Logged<'_>) {
        self.meet_new_workers();
        let received = Instant::now();
        let Logged { user, cursor, before, count, id, payload } = *logged;
        // The function keeps what publishers sent as it is, so what is missing is filled in here.
        let appended = Timestamp::from_millisecond(cursor.at.cast_signed());
        let parsed = Notification::parse(
            payload,
            Target::User(user),
            MissingId::Kept(id),
            appended.unwrap_or_else(|_| Timestamp::now()),
            self.max_payload_bytes,
        );
        let parcel = match parsed {
            Ok(notification) => {
                self.metrics.received(Source::Log);
                Parcel::logged(notification, cursor, count, received)
            }
            Err(reason) => {
                self.invalid(Source::Log, reason);
                self.discarder.discard(user, id);
                // It has its place all the same: what comes next follows on it.
                Parcel::count_only(Some(cursor), count, received)
            }
        };
        let heard = self.hub.deliver_logged(user, before, &Arc::new(parcel), &mut self.batch);
        self.heard(user, heard);
    }

    fn captured(&mut self, captured: &Captured<'_>) {
        self.meet_new_workers();
        let Captured { user, cursor, before, count, id } = *captured;
        let parcel = Arc::new(Parcel::count_only(Some(cursor), count, Instant::now()));
        let heard = self.hub.deliver_captured(user, before, id, &parcel, &mut self.batch);
        self.heard(user, heard);
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
        self.invalid(Source::Pubsub, Invalid::TooLarge { limit: self.max_payload_bytes });
    }

    fn flush(&mut self) {
        self.batch.send();
    }

    fn relief(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let mailbox = self.batch.pressed()?.clone();
        Some(Box::pin(async move { mailbox.relief().await }))
    }

    fn doubt(&mut self, user: &str) {
        // What is read in the log must not overtake what was heard before.
        self.batch.send();
        self.hub.doubt(user);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Form;
    use crate::hub::{Address, Letter};

    #[tokio::test]
    async fn an_event_is_for_the_socket_io_sockets_of_whom_it_was_emitted_to() {
        let (hub, metrics) = (Hub::new(), Arc::new(Metrics::new().unwrap()));
        let (discarder, _waiting) = crate::recovery::discarding();
        let (lane, mailbox) = hub.add_lane();
        let mut router = Router::new(hub.clone(), metrics.clone(), 64, discarder);
        let _members: Vec<_> = [("ada", 1), ("grace", 2)]
            .map(|(user, slot)| {
                let address = Address { lane, slot, generation: 0, counts: true };
                hub.join(&UserId::new(user).unwrap(), address)
            })
            .into();
        let mut emit = |target, except: &[&str], namespace, arguments: &[&str]| {
            let (channel, event) = ("socket.io#/ws#", "PRICE");
            let emitted = Emitted { target, except, channel, namespace, event, arguments };
            router.emitted(&emitted);
        };
        emit(Target::User("ada"), &[], "/ws", &["1", r#"{"a":"b"}"#]);
        emit(Target::Broadcast, &["ada"], "/", &[]);
        emit(Target::Broadcast, &[], "/ws", &[]);
        emit(Target::User("ada"), &[], "/ws", &[&format!("\"{}\"", "x".repeat(64))]);
        emit(Target::User(""), &[], "/ws", &[]);
        router.flush();

        let mut letters = Vec::new();
        mailbox.take(&mut letters).await;
        let frames = |form| {
            let frame = |letter: &Letter| match letter {
                Letter::Deliver(address, parcel) => Some((address.slot, parcel.frame(form)?.len())),
                Letter::Broadcast(parcel) => Some((0, parcel.frame(form)?.len())),
                _ => None,
            };
            letters.iter().filter_map(frame).collect::<Vec<_>>()
        };
        let header = 2;
        let ws = [r#"42/ws,["PRICE",1,{"a":"b"}]"#, r#"42/ws,["PRICE"]"#].map(str::len);
        assert_eq!(frames(Form::SocketIo), [(1, ws[0] + header), (0, ws[1] + header)]);
        assert_eq!(frames(Form::SocketIoRoot), [(2, r#"42["PRICE"]"#.len() + header)]);
        for other in [Form::Envelope, Form::Campanile, Form::Bare, Form::Sse] {
            assert_eq!(frames(other), []);
        }
        assert_eq!(metrics.events_received.get(), 3);
        let text = metrics.render();
        for reason in ["too_large", "user_id"] {
            let counted = format!("{{reason=\"{reason}\",source=\"adapter\"}} 1");
            assert!(text.contains(&counted), "{reason}");
        }
    }
}
