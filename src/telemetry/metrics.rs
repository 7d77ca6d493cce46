//! Every metric of the gateway, in one place. Labels are closed sets; none names a user.

use std::sync::OnceLock;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::{Mailed, Replay, Source, Taken};
use crate::dialect::Dialect;
use crate::notification::Invalid;
use crate::session::CloseReason;

/// Buckets for waits inside the gateway: 50 µs to 10 s.
const FAST: [f64; 14] =
    [5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 2.0, 10.0];
/// Buckets for waits that involve others: 1 ms to 60 s.
const SLOW: [f64; 12] = [1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0, 5.0, 20.0, 60.0];
/// Buckets for what people wait for: 1 s to 1 day.
const LATE: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $field:ident: $kind:ident = $name:literal $([$($label:literal),+])? $(buckets $buckets:expr)?; )+) => {
        /// The gateway's metrics; each field's text is its `HELP`.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            hot: OnceLock<Hot>,
            $( $(#[doc = $help])+ pub $field: $kind, )+
        }

        impl Metrics {
            fn register(registry: Registry) -> Result<Self, prometheus::Error> {
                $(
                    let help = concat!($($help),+).trim();
                    let $field = metrics!(@new $kind, $name, help $(, [$($label),+])? $(, buckets $buckets)?)?;
                    registry.register(Box::new($field.clone()))?;
                )+
                Ok(Self { registry, hot: OnceLock::new(), $($field),+ })
            }

            /// Names of all metrics that are the gateway's own.
            pub const NAMES: &[&str] = &[$($name),+];
        }
    };
    (@new Histogram, $name:literal, $help:ident, buckets $buckets:expr) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets($buckets.to_vec()))
    };
    (@new HistogramVec, $name:literal, $help:ident, [$($label:literal),+], buckets $buckets:expr) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), &[$($label),+])
    };
    (@new $kind:ident, $name:literal, $help:ident, [$($label:literal),+]) => {
        $kind::new(Opts::new($name, $help), &[$($label),+])
    };
    (@new $kind:ident, $name:literal, $help:ident) => { $kind::new($name, $help) };
}

metrics! {
    /// Open sockets.
    connections: IntGaugeVec = "campanile_connections" ["dialect"];
    /// Users with at least one open socket on this replica.
    users: IntGauge = "campanile_users";
    /// Sockets opened.
    connections_opened: IntCounterVec = "campanile_connections_opened_total" ["dialect"];
    /// Sockets closed.
    connections_closed: IntCounterVec = "campanile_connections_closed_total" ["dialect", "reason"];
    /// Upgrades refused.
    connections_rejected: IntCounterVec = "campanile_connections_rejected_total" ["reason"];
    /// From the upgrade request to the 101.
    handshake_seconds: Histogram = "campanile_handshake_seconds" buckets SLOW;
    /// Notifications that came in and are valid.
    notifications_received: IntCounterVec = "campanile_notifications_received_total" ["source"];
    /// Events of Socket.IO servers that are no notifications and came in for Socket.IO clients.
    events_received: IntCounter = "campanile_events_received_total";
    /// Payloads dropped because they are no notification.
    notifications_invalid: IntCounterVec = "campanile_notifications_invalid_total" ["source", "reason"];
    /// Notifications written to a socket.
    deliveries: IntCounterVec = "campanile_deliveries_total" ["dialect"];
    /// Notifications meant for a socket and not written to it.
    deliveries_dropped: IntCounterVec = "campanile_deliveries_dropped_total" ["reason"];
    /// From the broker's word to the write to the socket.
    delivery_seconds: Histogram = "campanile_delivery_seconds" buckets FAST;
    /// From the notification's timestamp to the write to the socket.
    publish_to_delivery_seconds: Histogram = "campanile_publish_to_delivery_seconds" buckets SLOW;
    /// Logs read for what clients or open sockets had missed.
    replays: IntCounterVec = "campanile_replays_total" ["result"];
    /// Notifications written to a socket later than their turn, because it had missed them.
    replayed_notifications: IntCounter = "campanile_replayed_notifications_total";
    /// Operations on inboxes; `result` is `ok`, `missing`, `known`, `dropped` or `away`.
    inbox_operations: IntCounterVec = "campanile_inbox_operations_total" ["operation", "result"];
    /// Plain notifications that wait to be appended to a log.
    capture_queue_items: IntGauge = "campanile_capture_queue_items";
    /// Plain notifications that wait for somebody else to append them.
    capture_held_items: IntGauge = "campanile_capture_held_items";
    /// Unread notifications that were due to be mailed, by what came of them.
    mails: IntCounterVec = "campanile_mails_total" ["result"];
    /// Due to be mailed and not yet taken, over all replicas; told by the one that mails, 0 elsewhere.
    mails_due: IntGauge = "campanile_mails_due";
    /// From the moment when a mail was due to its first try that succeeded.
    mail_delay_seconds: Histogram = "campanile_mail_delay_seconds" buckets LATE;
    /// Socket.IO connections that have shown no valid token yet.
    socketio_unauthenticated: IntGauge = "campanile_socketio_unauthenticated";
    /// Bytes in the outboxes of sockets that do not take them yet.
    send_queue_bytes: IntGauge = "campanile_send_queue_bytes";
    /// Deliveries handed to the workers and not yet written or queued.
    mailbox_letters: IntGauge = "campanile_mailbox_letters";
    /// 1 while every local user's channel is subscribed.
    redis_connected: IntGauge = "campanile_redis_connected";
    /// Answers to Socket.IO servers with the sharded adapter; `result` is `ok`, `dropped` or `away`.
    adapter_answers: IntCounterVec = "campanile_adapter_answers_total" ["result"];
    /// Subscribing connections that had to be replaced.
    redis_reconnects: IntCounter = "campanile_redis_reconnects_total";
    /// User channels subscribed.
    redis_subscriptions: IntGauge = "campanile_redis_subscriptions";
    /// Round trips of commands, pool included.
    redis_command_seconds: HistogramVec = "campanile_redis_command_seconds" ["command"] buckets FAST;
    /// 1 while the queue is consumed.
    amqp_connected: IntGauge = "campanile_amqp_connected";
    /// Connections to RabbitMQ that had to be replaced.
    amqp_reconnects: IntCounter = "campanile_amqp_reconnects_total";
    /// Messages of the queue; `result` is `acked`, `dead`, `retried` or `redelivered`.
    amqp_messages: IntCounterVec = "campanile_amqp_messages_total" ["result"];
    /// Messages of the queue that nobody has in hand, as of the last few seconds.
    amqp_queue_messages: IntGauge = "campanile_amqp_queue_messages";
    /// Messages taken from the queue and neither acknowledged nor given back.
    amqp_in_hand_messages: IntGauge = "campanile_amqp_in_hand_messages";
    /// From the time a message of the queue names to its publication.
    amqp_lag_seconds: Histogram = "campanile_amqp_lag_seconds" buckets SLOW;
    /// 1 from SIGTERM on.
    draining: IntGauge = "campanile_draining";
    /// 1, with what was built.
    build_info: IntGaugeVec = "campanile_build_info" ["version", "commit"];
}

/// Those that are counted with every notification: to find one by its labels takes 0.1 µs.
#[derive(Debug)]
struct Hot {
    deliveries: [IntCounter; Dialect::ALL.len()],
    received: [IntCounter; Source::ALL.len()],
}

impl Metrics {
    /// # Errors
    /// Only if two metrics had the same name, which a test excludes.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self::register(Registry::new())?;
        for dialect in Dialect::ALL {
            metrics.connections.with_label_values(&[dialect.label()]);
            metrics.connections_opened.with_label_values(&[dialect.label()]);
            metrics.deliveries.with_label_values(&[dialect.label()]);
        }
        for replay in Replay::ALL {
            metrics.replays.with_label_values(&[replay.label()]);
        }
        for mailed in Mailed::ALL {
            metrics.mails.with_label_values(&[mailed.label()]);
        }
        for result in ["ok", "dropped", "away"] {
            metrics.adapter_answers.with_label_values(&[result]);
        }
        for source in Source::ALL {
            metrics.notifications_received.with_label_values(&[source.label()]);
            for reason in Invalid::LABELS {
                metrics.notifications_invalid.with_label_values(&[source.label(), reason]);
            }
        }
        for taken in Taken::ALL {
            metrics.amqp_messages.with_label_values(&[taken.label()]);
        }
        let commit = option_env!("CAMPANILE_COMMIT").unwrap_or("unknown");
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), commit]).set(1);
        #[cfg(target_os = "linux")]
        metrics
            .registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(metrics)
    }

    /// The Prometheus text format.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// One more open socket; [`closed`](Self::closed) must follow.
    pub fn opened(&self, dialect: Dialect) {
        self.connections.with_label_values(&[dialect.label()]).inc();
        self.connections_opened.with_label_values(&[dialect.label()]).inc();
    }

    /// One that was [`opened`](Self::opened) has ended.
    pub fn closed(&self, dialect: Dialect, reason: CloseReason) {
        self.connections.with_label_values(&[dialect.label()]).dec();
        self.connections_closed.with_label_values(&[dialect.label(), reason.label()]).inc();
    }

    /// Sockets opened and not yet closed, over all dialects.
    pub fn open_connections(&self) -> i64 {
        let of = |dialect: &Dialect| self.connections.with_label_values(&[dialect.label()]).get();
        Dialect::ALL.iter().map(of).sum()
    }

    /// An upgrade was refused; `reason` is the `code` of the answer.
    pub fn rejected(&self, reason: &str) {
        self.connections_rejected.with_label_values(&[reason]).inc();
    }

    /// A notification came in and is valid, however many sockets it is for.
    pub fn received(&self, source: Source) {
        self.hot().received[source as usize].inc();
    }

    /// A payload was dropped before it became a notification.
    pub fn invalid(&self, source: Source, reason: Invalid) {
        self.notifications_invalid.with_label_values(&[source.label(), reason.label()]).inc();
    }

    /// Something came of messages of the queue.
    pub fn taken(&self, taken: Taken, count: usize) {
        self.amqp_messages.with_label_values(&[taken.label()]).inc_by(count as u64);
    }

    /// The kernel took the last byte of one notification for one socket.
    pub fn delivered(&self, dialect: Dialect) {
        self.hot().deliveries[dialect as usize].inc();
    }

    fn hot(&self) -> &Hot {
        self.hot.get_or_init(|| Hot {
            deliveries: Dialect::ALL.map(|d| self.deliveries.with_label_values(&[d.label()])),
            received: Source::ALL
                .map(|s| self.notifications_received.with_label_values(&[s.label()])),
        })
    }

    /// Something that was due to be mailed is not, or not now.
    pub fn mailed(&self, mailed: Mailed) {
        self.mails.with_label_values(&[mailed.label()]).inc();
    }

    /// A log was read for what was missed.
    pub fn replayed(&self, replay: Replay) {
        self.replays.with_label_values(&[replay.label()]).inc();
    }

    /// `count` notifications addressed to a socket were not written to it; 0 makes no series.
    pub fn dropped(&self, reason: &str, count: usize) {
        if count > 0 {
            self.deliveries_dropped.with_label_values(&[reason]).inc_by(count as u64);
        }
    }

    /// An outbox had `before` bytes and has `after` now.
    pub fn queued(&self, before: usize, after: usize) {
        let (before, after) = (i64::try_from(before), i64::try_from(after));
        self.send_queue_bytes.add(after.unwrap_or_default() - before.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_can_be_registered_and_shows_with_its_help() {
        let metrics = Metrics::new().unwrap();
        metrics.rejected("full");
        metrics.dropped("too_slow", 1);
        metrics.inbox_operations.with_label_values(&["list", "ok"]).inc();
        metrics.closed(Dialect::Bare, CloseReason::Gone);
        metrics.redis_command_seconds.with_label_values(&["publish"]).observe(0.1);
        let text = metrics.render();
        for name in Metrics::NAMES {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} is missing:\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes"));
        assert!(!text.contains("# HELP campanile_users \n"));
    }
}
