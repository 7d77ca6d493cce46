//! Many sockets at once: some that do not read must not cost the others time or the gateway memory,
//! and those that left must leave nothing behind.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Mutex;

use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::redis::Redis;
use crate::support::swarm::Swarm;
use crate::support::wait::{PATIENCE, eventually};

/// Each of these tests wants both cores for itself.
static TURN: Mutex<()> = Mutex::const_new(());

const MB: u64 = 1 << 20;

fn channel(user: &str) -> String {
    format!("user:{user}:notifications")
}

/// Publishes `rounds` times a small notification to a tenth of 1,000 sockets in turn, and
/// `payload` to the stalled user; the delays of the small ones, sorted.
async fn delays_beside_stalled(
    redis: &Redis,
    fast: &Swarm,
    payload: &str,
    rounds: usize,
) -> Vec<Duration> {
    let mut connection = redis.connection().await;
    let mut sent = Vec::new();
    let group = fast.len() / 10;
    for round in 0..rounds {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PUBLISH").arg(channel("stalled")).arg(payload).ignore();
        for n in 0..group {
            let user = channel(&format!("fast-{}", round % 10 * group + n));
            let small = json!({ "id": round }).to_string();
            pipeline.cmd("PUBLISH").arg(user).arg(small).ignore();
        }
        sent.push(Instant::now());
        pipeline.query_async::<()>(&mut connection).await.expect("publishes");
        // The pace, not a synchronisation.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fast.every_socket_has(rounds / 10, PATIENCE).await;
    let mut delays = Vec::new();
    for socket in 0..fast.len() {
        for frame in fast.frames(socket) {
            let value: serde_json::Value = serde_json::from_str(&frame.text).expect("is JSON");
            let round = value["id"].as_u64().expect("has its round");
            delays.push(frame.at - sent[usize::try_from(round).expect("fits")]);
        }
    }
    delays.sort_unstable();
    delays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_sockets_are_closed_in_time_and_cost_neither_delay_nor_memory() {
    const STALLED: usize = 20;
    let _turn = TURN.lock().await;
    let redis = Redis::start().await;
    for (reason, payload_bytes, rounds) in
        [("too_slow", 30_000, 100), ("write_timeout", 5_000, 100)]
    {
        let gateway = Gateway::builder()
            .redis(&redis)
            .env("CAMPANILE_WRITE_TIMEOUT", if reason == "too_slow" { "10s" } else { "1s" })
            .env("CAMPANILE_SEND_QUEUE", "1000")
            .env(
                "CAMPANILE_SEND_QUEUE_BYTES",
                if reason == "too_slow" { "256KiB" } else { "16MiB" },
            )
            .start()
            .await;
        let fast =
            Swarm::open(1000, |n| Connect::to(&gateway, "/api/ws").user(&format!("fast-{n}")))
                .await;
        let mut stalled = Vec::new();
        for _ in 0..STALLED {
            let handshake = Connect::to(&gateway, "/api/ws").user("stalled").receive_buffer(4096);
            stalled.push(handshake.raw().await.unwrap_or_else(|it| panic!("{}", it.text())));
        }
        let before = gateway.resident_bytes();
        let started = Instant::now();
        let payload = json!({ "message": "x".repeat(payload_bytes) }).to_string();
        let delays = delays_beside_stalled(&redis, &fast, &payload, rounds).await;
        let closed = &[("reason", reason)];
        gateway.metric_becomes("campanile_connections_closed_total", closed, |it| it > 19.5).await;
        let took = started.elapsed();
        let grown = gateway.resident_bytes().saturating_sub(before);
        let (p99, max) = (delays[delays.len() * 99 / 100], *delays.last().unwrap());
        eprintln!(
            "{reason}: {} deliveries beside {STALLED} stalled sockets: p99 {p99:?}, max {max:?} \
             (below 50 ms: {}); grown by {} KiB; all closed after {took:?}",
            delays.len(),
            max < Duration::from_millis(50),
            grown / 1024,
        );
        assert!(max < Duration::from_millis(500), "{max:?}");
        // 2 s of publishing, 1 s of write timeout or 2 s for a close frame, and slack.
        assert!(took < Duration::from_secs(8), "closed after {took:?}");
        assert!(grown < 20 * MB, "grown by {grown} bytes");
        assert_eq!(fast.open_count(), fast.len());
        gateway.metric_becomes("campanile_send_queue_bytes", &[], |it| it.abs() < 0.5).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_came_and_went_leave_nothing_behind() {
    const AT_ONCE: usize = 500;
    let _turn = TURN.lock().await;
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let mut after_first = 0;
    for round in 0..10 {
        let swarm = Swarm::open(AT_ONCE, |n| {
            let path = ["/api/ws", "/ws"][n % 2];
            Connect::to(&gateway, path).user(&format!("{round}-{}", n / 2))
        })
        .await;
        drop(swarm);
        gateway.metric_becomes("campanile_connections", &[], |open| open < 0.5).await;
        if round == 0 {
            after_first = gateway.resident_bytes();
        }
    }
    let metrics = gateway.metrics().await;
    let value = |name| metrics.value(name, &[]);
    assert!((value("campanile_connections_opened_total") - 5000.0).abs() < 0.5);
    assert!((value("campanile_connections_closed_total") - 5000.0).abs() < 0.5);
    eventually("no channel is subscribed any more", PATIENCE, async || {
        redis.pubsub_channels("user:*").await.is_empty()
    })
    .await;
    for name in ["campanile_users", "campanile_redis_subscriptions", "campanile_mailbox_letters"] {
        gateway.metric_becomes(name, &[], |value| value.abs() < 0.5).await;
    }
    eventually("nobody is counted any more", PATIENCE, async || {
        let stats = gateway.http_as("ada", "GET", "/api/notifications/stats").await.json();
        stats["data"]["total_clients"] == 0 && stats["data"]["total_users"] == 0
    })
    .await;
    let grown = gateway.resident_bytes().saturating_sub(after_first);
    eprintln!("grown by {} KiB from socket 500 to socket 5,000", grown / 1024);
    assert!(grown < 6 * MB, "grown by {grown} bytes");
}
