//! An open socket is a subscribed socket: what is published after `open` arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::redis::{Redis, publish};
use crate::support::seed;
use crate::support::wait::{PATIENCE, eventually};

const CONNECTS: usize = 10_000;
const AT_ONCE: usize = 200;
/// How long a subscription outlives its last socket, and how often that is looked at.
const LINGER: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(1);

fn channel(user: &str) -> String {
    format!("user:{user}:notifications")
}

/// Publishes for `user`, who has just opened `client`, and reads it there; how long that took.
async fn publish_and_receive(
    connection: &mut MultiplexedConnection,
    user: &str,
    client: &mut Client,
    id: usize,
) -> Duration {
    let started = Instant::now();
    let payload = json!({ "id": id }).to_string();
    let heard = publish(connection, &channel(user), payload.as_bytes()).await;
    assert_eq!(heard, 1, "{user} is open and not subscribed");
    let frame = client.next_json().await;
    assert_eq!(frame["id"], id, "{user}: {frame}");
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_the_moment_a_socket_opens_is_never_missed() {
    let redis = Redis::start().await;
    let gateway = Arc::new(Gateway::start(&redis).await);
    let connection = redis.connection().await;
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut visitors = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (gateway, next) = (gateway.clone(), next.clone());
        let mut connection = connection.clone();
        visitors.spawn(async move {
            let (mut opens, mut arrivals) = (Vec::new(), Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= CONNECTS {
                    return (opens, arrivals);
                }
                let user = number.to_string();
                let opening = Instant::now();
                let mut client = Client::bare(&gateway, &user).await;
                opens.push(opening.elapsed());
                arrivals
                    .push(publish_and_receive(&mut connection, &user, &mut client, number).await);
                // Some say goodbye, some just vanish.
                if number % 2 == 0 {
                    client.close().await;
                }
            }
        });
    }
    let (mut opens, mut arrivals) = (Vec::new(), Vec::new());
    for (open, arrival) in visitors.join_all().await {
        opens.extend(open);
        arrivals.extend(arrival);
    }
    let took = started.elapsed();
    assert_eq!(arrivals.len(), CONNECTS);
    println!(
        "{CONNECTS} connects, {AT_ONCE} at a time, each its own user: {CONNECTS} of {CONNECTS} \
         publishes received in {took:?} ({:.0} a second)",
        f64::from(u32::try_from(CONNECTS).unwrap()) / took.as_secs_f64()
    );
    for (what, times) in [("handshake", &mut opens), ("publish to receive", &mut arrivals)] {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 1000];
        println!("{what}: p50 {:?}, p99 {:?}, max {:?}", at(500), at(990), at(1000));
    }
    gateway.stats_become(0, 0, PATIENCE).await;
    eventually("nobody's channel is subscribed", PATIENCE, async || {
        redis.pubsub_channels("user:*").await.is_empty()
    })
    .await;
    gateway.metric_is("campanile_redis_subscriptions", 0.0).await;
}

#[tokio::test]
async fn a_page_reload_keeps_the_subscription_and_a_long_absence_renews_it() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let mut connection = redis.connection().await;
    let subscribes = async || {
        let stats = redis.cli(&["INFO", "commandstats"]).await;
        let line = stats.lines().find(|line| line.starts_with("cmdstat_subscribe:")).unwrap();
        let calls = line.split(['=', ',']).nth(1).unwrap();
        calls.parse::<u64>().unwrap()
    };
    let client = Client::bare(&gateway, "42").await;
    let before = subscribes().await;
    client.close().await;
    for id in 0..20 {
        let mut client = Client::bare(&gateway, "42").await;
        publish_and_receive(&mut connection, "42", &mut client, id).await;
        client.close().await;
    }
    assert_eq!(subscribes().await, before, "a reload cost Redis a SUBSCRIBE");

    let left = Instant::now();
    eventually("the channel is left", PATIENCE, async || {
        redis.pubsub_channels("user:*").await.is_empty()
    })
    .await;
    let lingered = left.elapsed();
    println!("left {lingered:?} after the last socket");
    assert!(lingered > LINGER / 2, "{lingered:?}");
    let mut client = Client::bare(&gateway, "42").await;
    assert_eq!(subscribes().await, before + 1);
    publish_and_receive(&mut connection, "42", &mut client, 21).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_returns_around_the_end_of_the_linger_misses_nothing() {
    const USERS: usize = 400;
    const RETURNS: usize = 2;
    let mut rng = seed::rng();
    let redis = Redis::start().await;
    let gateway = Arc::new(Gateway::start(&redis).await);
    let connection = redis.connection().await;
    let mut users = JoinSet::new();
    for number in 0..USERS {
        // The moment of coming back is what is tested, so these are not waits for something.
        let absences =
            [(); RETURNS].map(|()| LINGER.mul_f64(0.8) + (LOOK + LINGER / 3).mul_f64(rng.f64()));
        let (gateway, mut connection) = (gateway.clone(), connection.clone());
        users.spawn(async move {
            let user = number.to_string();
            Client::bare(&gateway, &user).await.close().await;
            for absence in absences {
                sleep(absence).await;
                let mut client = Client::bare(&gateway, &user).await;
                publish_and_receive(&mut connection, &user, &mut client, number).await;
                client.close().await;
            }
        });
    }
    users.join_all().await;
    eventually("nobody's channel is subscribed", PATIENCE, async || {
        redis.pubsub_channels("user:*").await.is_empty()
    })
    .await;
    gateway.metric_is("campanile_redis_subscriptions", 0.0).await;
}
