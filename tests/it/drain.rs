//! Stopping is a sequence: not ready, still serving, closes spread over the window, the end.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::client::Client;
use crate::support::gateway::{Builder, Gateway};
use crate::support::handshake::Connect;
use crate::support::redis::Redis;
use crate::support::swarm::Swarm;
use crate::support::wait::{PATIENCE, eventually, until};

const DELAY: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(5);

fn builder(redis: &Redis) -> Builder {
    let builder = Gateway::builder().redis(redis);
    builder.env("CAMPANILE_DRAIN_DELAY", "1s").env("CAMPANILE_DRAIN_WINDOW", "5s")
}

/// `campanile.v1`, envelope and bare in turn; four sockets a user.
fn mixed(gateway: &Gateway, number: usize) -> Connect {
    let user = (number / 4).to_string();
    match number % 3 {
        0 => Client::connect(gateway, "/ws/notifications").protocol("campanile.v1"),
        1 => Client::connect(gateway, "/ws/notifications"),
        _ => Client::connect(gateway, "/api/ws"),
    }
    .user(&user)
}

async fn is_unready(gateway: &Gateway) {
    eventually("/readyz answers 503", PATIENCE, async || {
        gateway.ops_get("/readyz").await.status == 503
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_closes_2000_sockets_spread_evenly_and_tells_them_when_to_return() {
    const SOCKETS: usize = 2_000;
    const BUCKETS: usize = 10;
    let redis = Redis::start().await;
    let (drains, stays) = (builder(&redis).start().await, builder(&redis).start().await);
    let swarm = Swarm::open(SOCKETS, |number| mixed(&drains, number)).await;
    let elsewhere = Swarm::open(8, |number| mixed(&stays, number)).await;
    stays.stats_become(SOCKETS as u64 / 4, SOCKETS as u64 + 8, PATIENCE).await;

    let told = Instant::now();
    drains.term();
    is_unready(&drains).await;
    let unready = told.elapsed();
    let mut late = Client::bare(&drains, "late").await;
    assert_eq!(redis.publish("broadcast:notifications", r#"{"id":"during the delay"}"#).await, 2);
    assert_eq!(late.next_json().await["id"], "during the delay");
    for number in 0..SOCKETS {
        // A v1 socket has its `connected` besides.
        swarm.socket_has(number, 1 + usize::from(number % 3 == 0), PATIENCE).await;
    }
    let served = told.elapsed();
    assert_eq!(swarm.open_count(), SOCKETS, "closed during the delay");
    assert_eq!(drains.ops_get("/livez").await.status, 200);
    println!("unready {unready:?} after SIGTERM; at {served:?} still accepting and delivering");

    let refused = until("new upgrades are refused", PATIENCE, async || {
        Client::connect(&drains, "/ws/notifications").user("new").await.err()
    })
    .await;
    println!("upgrades are refused from {:?} after SIGTERM", told.elapsed());
    assert!(told.elapsed() >= DELAY, "{:?}", told.elapsed());
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "draining");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");

    let status = drains.wait_exit(DELAY + WINDOW + PATIENCE).await;
    let exited = told.elapsed();
    assert!(status.success(), "{status}\n{}", drains.stderr_so_far());
    swarm.every_socket_is_closed(PATIENCE).await;
    assert_eq!(late.next_close().await.0, 1012);
    let dropped = stays.stats_become(2, 8, PATIENCE).await;
    println!(
        "exited {exited:?} after SIGTERM; the other replica's stats were right {dropped:?} later"
    );

    let closed = swarm.closed();
    assert_eq!(closed.len(), SOCKETS);
    assert!(closed.iter().all(|closed| closed.code == 1012), "{:?}", swarm.closes());
    let first = closed.iter().map(|closed| closed.at).min().unwrap();
    let last = closed.iter().map(|closed| closed.at).max().unwrap();
    let mut buckets = [0; BUCKETS];
    for closed in &closed {
        let bucket = (closed.at - first).as_millis() * BUCKETS as u128 / WINDOW.as_millis();
        buckets[usize::try_from(bucket).unwrap().min(BUCKETS - 1)] += 1;
    }
    println!("{SOCKETS} closes within {:?}, tenths of {WINDOW:?}: {buckets:?}", last - first);
    assert!(first - told >= DELAY, "the first close came {:?} after SIGTERM", first - told);
    for bucket in buckets {
        assert!((1..=2 * SOCKETS / BUCKETS).contains(&bucket), "{buckets:?}");
    }
    for number in 0..SOCKETS {
        let frame = swarm.frames(number).pop().unwrap();
        let frame: Value = serde_json::from_str(&frame.text).unwrap();
        if number % 3 == 0 {
            assert_eq!(frame["type"], "reconnect", "{frame}");
            assert_eq!(frame["data"]["reason"], "restarting", "{frame}");
            assert!(frame["data"]["after_ms"].is_u64(), "{frame}");
        } else {
            assert_ne!(frame["type"], "reconnect", "{frame}");
        }
    }
    assert_eq!(elsewhere.open_count(), 8);
}

#[tokio::test]
async fn a_second_sigterm_stops_at_once_and_leaves_no_trace_in_the_stats() {
    let redis = Redis::start().await;
    let stays = Gateway::start(&redis).await;
    let long = |name, value| Gateway::builder().redis(&redis).env(name, value);
    for (phase, gateway) in [
        ("delay", long("CAMPANILE_DRAIN_DELAY", "1m").start().await),
        (
            "window",
            long("CAMPANILE_DRAIN_WINDOW", "1m").env("CAMPANILE_DRAIN_DELAY", "0s").start().await,
        ),
    ] {
        let swarm = Swarm::open(40, |number| mixed(&gateway, number)).await;
        gateway.term();
        is_unready(&gateway).await;
        if phase == "window" {
            gateway.metric_becomes("campanile_connections", &[], |open| open < 40.0).await;
        }
        let again = Instant::now();
        gateway.term();
        let status = gateway.wait_exit(PATIENCE).await;
        println!("second SIGTERM in the {phase}: exited {:?} after it", again.elapsed());
        assert!(status.success(), "{status}\n{}", gateway.stderr_so_far());
        swarm.every_socket_is_closed(PATIENCE).await;
        let took = stays.stats_become(0, 0, PATIENCE).await;
        println!("the other replica's stats were right {took:?} after the exit");
        assert!(again.elapsed() < Duration::from_secs(10), "{:?}", again.elapsed());
    }
}

#[tokio::test]
async fn a_replica_without_sockets_stops_right_after_the_delay() {
    let redis = Redis::start().await;
    let gateway = builder(&redis).start().await;
    let told = Instant::now();
    gateway.term();
    assert!(gateway.wait_exit(PATIENCE).await.success());
    let took = told.elapsed();
    println!("no sockets: exited {took:?} after SIGTERM, with a delay of {DELAY:?}");
    assert!(took >= DELAY, "{took:?}");
    assert!(took < DELAY + WINDOW / 2, "{took:?}");
}

#[tokio::test]
async fn sigterm_ends_a_replica_whose_redis_is_away_or_frozen() {
    for frozen in [false, true] {
        let redis = Redis::start().await;
        let builder = Gateway::builder().redis(&redis).env("CAMPANILE_DRAIN_DELAY", "0s");
        let gateway = builder.env("CAMPANILE_DRAIN_WINDOW", "200ms").start().await;
        let mut client = Client::bare(&gateway, "42").await;
        if frozen {
            redis.pause();
        } else {
            redis.kill();
        }
        let told = Instant::now();
        gateway.term();
        assert_eq!(client.next_close().await.0, 1012);
        drop(client);
        let status = gateway.wait_exit(PATIENCE).await;
        println!(
            "Redis {}: exited {:?} after SIGTERM",
            if frozen { "frozen" } else { "away" },
            told.elapsed()
        );
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn a_client_that_says_who_it_is_after_the_drain_began_is_sent_elsewhere() {
    let redis = Redis::start().await;
    let gateway = builder(&redis).env("CAMPANILE_DRAIN_DELAY", "0s").start().await;
    let _holds_the_drain_open = Swarm::open(50, |number| mixed(&gateway, number)).await;
    let late = Client::connect(&gateway, "/ws/notifications").protocol("campanile.v1");
    let mut late = late.await.unwrap();
    gateway.term();
    eventually("new ones are refused", PATIENCE, async || {
        mixed(&gateway, 1).await.is_err_and(|refused| refused.status == 503)
    })
    .await;
    let token = crate::support::token::for_user("ada");
    late.send_json(&serde_json::json!({ "type": "auth", "token": token })).await;
    assert_eq!(late.next_json().await["data"]["code"], "draining");
    assert_eq!(late.next_close().await.0, 1012);
}
