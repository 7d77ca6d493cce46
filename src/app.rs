//! The composition root: builds every part, and owns the order of starting and stopping.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use anyhow::Context;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::auth::Verifier;
use crate::broker::log::Retention;
use crate::broker::memory::Memory;
use crate::broker::redis::{self, Channels};
use crate::broker::{Broker, Record, Sink};
use crate::config::Config;
use crate::descriptors;
use crate::drain::Drain;
use crate::http::ops::Ops;
use crate::http::{Gateway, Throttle, ops, server};
use crate::hub::{Hub, Quota};
use crate::inbox::Inbox;
use crate::ingest::Recorder;
use crate::recovery::{self, Recovery};
use crate::roles::{self, Roles};
use crate::router::Router;
use crate::session::{Rhythm, Rules, millis};
use crate::signals::Signals;
use crate::socket::{Clock, Rig, Sessions};
use crate::telemetry::Metrics;

/// How long the last sockets have for their close frames after the window.
const LAST_GOODBYES: Duration = Duration::from_secs(3);

/// How long Redis has to hear that this replica stops.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Pages of the public listener besides the API.
pub type Pages = fn(&mut web::ServiceConfig);

/// Runs one replica until it is told to stop.
///
/// # Errors
/// What keeps it from starting, in words for whoever started it.
pub async fn serve(config: Config, pages: Pages, started: impl FnOnce()) -> anyhow::Result<()> {
    // First, so that a signal during the start is not the default's: an abrupt end.
    let mut signals = Signals::new()?;
    let descriptors = descriptors::raise();
    if let Some(warning) = descriptors.too_few_for(config.limits.max_connections) {
        tracing::warn!("{warning}");
    }
    let metrics = Arc::new(Metrics::new().context("the metrics cannot be registered")?);
    let verifier = Arc::new(Verifier::new(&config.auth)?);
    let hub = Hub::new();
    let drain = Arc::new(Drain::default());
    let replica = Uuid::now_v7().simple().to_string();

    let (discarder, waiting) = recovery::discarding();
    let (recorder, recording) = Recorder::new(metrics.clone());
    let recorder = config.inbox.capture.then(|| Arc::new(recorder) as Arc<dyn Record>);
    let limit = config.publish.max_payload_bytes;
    let router = Router::new(hub.clone(), metrics.clone(), limit, discarder.clone())
        .recording(recorder.clone());
    let broker = broker(&config, &hub, Box::new(router), &replica, recorder, &metrics)?;
    tokio::spawn(recording.run(broker.clone()));
    let roles = Arc::new(Roles::start(&roles::Parts {
        amqp: config.amqp.as_ref(),
        mail: &config.mail,
        broker: &broker,
        replica: &replica,
        has_inbox: config.inbox.size > 0,
        max_payload_bytes: limit,
        metrics: &metrics,
    })?);
    preload_keys(&verifier);
    let enabled = config.inbox.size > 0;
    let inbox = Arc::new(Inbox::new(broker.clone(), enabled, metrics.clone(), discarder.clone()));

    let discarding = (discarder, waiting);
    let recovery = Arc::new(Recovery::start(&broker, enabled, &hub, &metrics, discarding));

    let sessions = Sessions::new(config.socketio.max_unauthenticated, metrics.clone());
    let gateway = Arc::new(Gateway {
        hub: hub.clone(),
        broker: broker.clone(),
        inbox,
        recovery,
        verifier,
        metrics: metrics.clone(),
        drain: drain.clone(),
        throttle: Throttle::new(config.limits.connections_per_ip_per_second),
        auth: config.auth.clone(),
        publish: config.publish.clone(),
        origins: config.origins.clone(),
        limits: config.limits.clone(),
        socketio: config.socketio,
        sessions,
    });
    let rig = Arc::new(rig(&config, &gateway, replica));

    let bind = |address, name| {
        server::bind(address, config.keepalive.write_timeout)
            .with_context(|| format!("cannot listen on {address} ({name})"))
    };
    let public = bind(config.listen.public, "--listen, CAMPANILE_LISTEN")?;
    let private = bind(config.listen.ops, "--ops-listen, CAMPANILE_OPS_LISTEN")?;
    let server = server::start(public, config.listen.workers, gateway.clone(), rig, pages)?;
    let ops = ops::start(private, Ops { gateway, grace: config.redis.grace })?;
    let (server_handle, ops_handle) = (server.handle(), ops.handle());
    tokio::spawn(server);
    tokio::spawn(ops);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %config.listen.public,
        ops = %config.listen.ops,
        workers = config.listen.workers,
        descriptors = %descriptors,
        broker = if config.redis.url.is_some() { "redis" } else { "embedded" },
        "serving"
    );
    started();

    signals.recv().await;
    tracing::info!(delay = ?config.drain.delay, window = ?config.drain.window, "stopping");
    metrics.draining.set(1);
    drain.leave();
    // At once, so that other processes take over while the sockets of this one are still served.
    let no_more_roles = tokio::spawn(stop(roles));
    let gently = async {
        close_gently(&config, &drain, &hub, &metrics).await;
        no_more_roles.await.ok();
    };
    tokio::select! {
        () = gently => {}
        () = signals.recv() => tracing::warn!("told again: stopping at once"),
    }
    if timeout(LAST_WORD, broker.stop()).await.is_err() {
        tracing::warn!("Redis does not answer; other replicas will find out that this one is gone");
    }
    server_handle.stop(false).await;
    ops_handle.stop(false).await;
    tracing::info!("stopped");
    Ok(())
}

/// Serves for as long as load balancers need to take notice, then spreads the closes.
async fn close_gently(config: &Config, drain: &Drain, hub: &Hub, metrics: &Metrics) {
    sleep(config.drain.delay).await;
    drain.close();
    tracing::info!(connections = hub.connections(), "closing connections");
    hub.drain(config.drain.window);
    let deadline = Instant::now() + config.drain.window + LAST_GOODBYES;
    // Those that have left the hub already still have a close frame to read.
    while hub.connections() > 0 || metrics.open_connections() > 0 {
        if Instant::now() >= deadline {
            tracing::warn!(connections = metrics.open_connections(), "leaving some behind");
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// What the workers' sockets need.
fn rig(config: &Config, gateway: &Arc<Gateway>, replica: String) -> Rig {
    Rig {
        replica,
        hub: gateway.hub.clone(),
        metrics: gateway.metrics.clone(),
        verifier: gateway.verifier.clone(),
        inbox: gateway.inbox.clone(),
        recovery: gateway.recovery.clone(),
        rules: rules(config),
        quota: Quota { frames: config.limits.send_queue, bytes: config.limits.send_queue_bytes },
        max_frame_bytes: config.limits.max_frame_bytes,
        write_timeout: config.keepalive.write_timeout,
        leeway: config.auth.leeway,
        clock: Clock::start(),
        sessions: gateway.sessions.clone(),
        door: gateway.clone(),
        auth_timeout: millis(config.socketio.auth_timeout),
        test_interval: config.socketio.test_interval,
    }
}

fn broker(
    config: &Config,
    hub: &Arc<Hub>,
    sink: Box<dyn Sink>,
    replica: &str,
    recorder: Option<Arc<dyn Record>>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Broker> {
    let channels =
        Channels::new(&config.channels.user, &config.channels.broadcast, &config.redis.prefix)
            .with_adapter(config.socketio_adapter);
    let retention = Retention {
        size: config.inbox.size,
        ttl: config.inbox.ttl,
        // Without a server what this process would schedule is lost with it.
        mail_after: config
            .mail
            .after
            .filter(|_| config.redis.url.is_some() || config.mail.sender.is_some()),
    };
    if config.redis.url.is_none() {
        metrics.redis_connected.set(1);
        return Ok(Broker::Memory(Memory::start(hub.clone(), sink, channels, retention)));
    }
    let setup = redis::Setup {
        channels,
        replica: replica.to_owned(),
        max_payload_bytes: config.publish.max_payload_bytes,
        retention,
        recorder,
        metrics: metrics.clone(),
    };
    Ok(Broker::Redis(redis::Redis::start(&config.redis, setup, hub.clone(), sink)?))
}

async fn stop(roles: Arc<Roles>) {
    roles.stop().await;
}

/// The first client should not wait for the key endpoint; if it is away, the first tokens ask again.
fn preload_keys(verifier: &Arc<Verifier>) {
    let verifier = verifier.clone();
    tokio::spawn(async move {
        if let Err(problem) = verifier.preload().await {
            tracing::warn!(problem, "the JWKS endpoint gave no keys");
        }
    });
}

fn rules(config: &Config) -> Rules {
    Rules {
        rhythm: Rhythm {
            ping_interval: millis(config.keepalive.ping_interval),
            pong_timeout: millis(config.keepalive.pong_timeout),
        },
        socketio: Rhythm {
            ping_interval: millis(config.socketio.ping_interval),
            pong_timeout: millis(config.socketio.ping_interval + config.socketio.ping_timeout),
        },
        commands_per_second: config.limits.commands_per_second,
    }
}
