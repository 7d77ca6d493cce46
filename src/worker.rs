//! The composition root of `campanile worker`: the roles that need no sockets, beside [`crate::app`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;
use uuid::Uuid;

use crate::broker::Broker;
use crate::broker::deaf::{Nobody, Silence};
use crate::broker::log::Retention;
use crate::broker::redis::{self, Channels};
use crate::config;
use crate::http::{ops, server};
use crate::roles::{self, Roles};
use crate::signals::Signals;
use crate::telemetry::Metrics;

/// How long Redis has to hear that this process stops.
const LAST_WORD: Duration = Duration::from_secs(2);
/// How long a probe or a scrape may take to be answered.
const ANSWER: Duration = Duration::from_secs(10);

/// Runs the configured roles until told to stop.
///
/// # Errors
/// What keeps it from starting, in words for whoever started it.
pub async fn work(config: config::Worker) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new().context("the metrics cannot be registered")?);
    let channels =
        Channels::new(&config.channels.user, &config.channels.broadcast, &config.redis.prefix);
    let replica = Uuid::now_v7().simple().to_string();
    let setup = redis::Setup {
        channels,
        replica: replica.clone(),
        max_payload_bytes: config.max_payload_bytes,
        retention: Retention {
            size: config.inbox.size,
            ttl: config.inbox.ttl,
            mail_after: config.mail.after,
        },
        recorder: None,
        metrics: metrics.clone(),
    };
    let nobody = Arc::new(Nobody::default());
    let broker =
        Broker::Redis(redis::Redis::start(&config.redis, setup, nobody, Box::new(Silence))?);

    let listener = server::bind(config.ops, ANSWER).with_context(|| {
        format!("cannot listen on {} (--ops-listen, CAMPANILE_OPS_LISTEN)", config.ops)
    })?;
    let roles = Arc::new(Roles::start(&roles::Parts {
        amqp: config.amqp.as_ref(),
        mail: &config.mail,
        broker: &broker,
        replica: &replica,
        has_inbox: config.inbox.size > 0,
        max_payload_bytes: config.max_payload_bytes,
        metrics: &metrics,
    })?);
    let is_leaving = Arc::new(AtomicBool::new(false));
    let probed = Probed {
        roles: roles.clone(),
        broker: broker.clone(),
        grace: config.redis.grace,
        metrics: metrics.clone(),
        is_leaving: is_leaving.clone(),
    };
    let ops = ops::start(listener, probed)?;
    let ops_handle = ops.handle();
    tokio::spawn(ops);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        ops = %config.ops,
        roles = roles.names().join(", "),
        "working"
    );

    signals.recv().await;
    tracing::info!("stopping");
    metrics.draining.set(1);
    is_leaving.store(true, Ordering::Relaxed);
    tokio::select! {
        () = roles.stop() => {}
        () = signals.recv() => tracing::warn!("told again: stopping at once"),
    }
    if timeout(LAST_WORD, broker.stop()).await.is_err() {
        tracing::warn!("Redis does not answer; replicas will find out that this worker is gone");
    }
    ops_handle.stop(false).await;
    tracing::info!("stopped");
    Ok(())
}

/// A worker as its probes see it.
struct Probed {
    roles: Arc<Roles>,
    broker: Broker,
    grace: Duration,
    metrics: Arc<Metrics>,
    is_leaving: Arc<AtomicBool>,
}

impl ops::Probed for Probed {
    fn roll_call(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        // A role that is being stopped has a right to end.
        let has_all = self.is_leaving.load(Ordering::Relaxed) || self.roles.are_running();
        Box::pin(async move {
            if !has_all {
                std::future::pending::<()>().await;
            }
        })
    }

    fn unready(&self) -> Option<&'static str> {
        if self.is_leaving.load(Ordering::Relaxed) {
            return Some("draining\n");
        }
        if !self.broker.link().is_usable(self.grace) {
            return Some("not connected to Redis\n");
        }
        None
    }

    fn render(&self) -> String {
        self.metrics.render()
    }
}
