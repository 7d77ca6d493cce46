//! Redis dies, hangs or forgets, and so do replicas: sockets stay, delivery comes back, the books are right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::swarm::Swarm;
use crate::support::wait::{PATIENCE, eventually};

const DIALECTS: [&str; 2] = ["/ws/notifications", "/api/ws"];

fn channel(user: usize) -> String {
    format!("user:{user}:notifications")
}

/// One socket for each user from 0, dealt to the replicas in turn.
async fn one_socket_each(users: usize, replicas: &[&Gateway]) -> Swarm {
    Swarm::open(users, |user| {
        let replica = replicas[user % replicas.len()];
        Connect::to(replica, DIALECTS[user / 2 % 2]).user(&user.to_string())
    })
    .await
}

/// Publishes for these users until each has got one of them; how long that took.
async fn delivered_again(redis: &Redis, swarm: &Swarm, users: &[usize]) -> Duration {
    let started = Instant::now();
    let mut connection = redis.connection().await;
    let before = swarm.counts();
    loop {
        for &user in users {
            let publish = redis::cmd("PUBLISH").arg(channel(user)).arg("{}").to_owned();
            let _: usize = publish.query_async(&mut connection).await.unwrap();
        }
        let counts = swarm.counts();
        if users.iter().all(|&user| counts[user] > before[user]) {
            return started.elapsed();
        }
        assert!(started.elapsed() < PATIENCE, "nothing is delivered after {PATIENCE:?}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Every user's channel, and no other, is subscribed.
async fn channels_are_those_of(redis: &Redis, users: usize) {
    let mut expected: Vec<String> = (0..users).map(channel).collect();
    expected.sort();
    eventually("the subscribed channels are those of the users", PATIENCE, async || {
        redis.pubsub_channels("user:*").await == expected
    })
    .await;
}

/// Until the replica knows that it does not hear Redis.
async fn has_lost_redis(gateway: &Gateway, within: Duration) -> Duration {
    let started = Instant::now();
    eventually("the replica notices", within, async || {
        gateway.metrics().await.value("campanile_redis_connected", &[]) == 0.0
    })
    .await;
    started.elapsed()
}

async fn refuses_upgrades(gateway: &Gateway) {
    let refused = Client::connect(gateway, "/api/ws").user("7").await.err().unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "redis_away");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_outlive_five_deaths_of_redis_and_hear_again_within_a_second() {
    const USERS: usize = 100;
    let redis = Arc::new(Redis::start().await);
    let (a, b) = (Gateway::start(&redis).await, Gateway::start(&redis).await);
    let swarm = one_socket_each(USERS, &[&a, &b]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = tokio::spawn({
        let (redis, stop) = (redis.clone(), stop.clone());
        async move {
            let client = redis::Client::open(redis.url()).unwrap();
            let mut published = 0;
            while !stop.load(Ordering::Relaxed) {
                // While Redis is away both fail, which is the point.
                let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
                    sleep(Duration::from_millis(5)).await;
                    continue;
                };
                let mut user = 0;
                while !stop.load(Ordering::Relaxed) {
                    user = (user + 1) % USERS;
                    let publish = redis::cmd("PUBLISH").arg(channel(user)).arg("{}").to_owned();
                    if publish.query_async::<usize>(&mut connection).await.is_err() {
                        break;
                    }
                    published += 1;
                    sleep(Duration::from_millis(1)).await;
                }
            }
            published
        }
    });
    let mut worst = [Duration::ZERO; 3];
    for round in 1..=5 {
        redis.kill();
        for replica in [&a, &b] {
            has_lost_redis(replica, PATIENCE).await;
            refuses_upgrades(replica).await;
            assert_eq!(replica.ops_get("/livez").await.status, 200);
        }
        redis.restart().await;
        let answers = Instant::now();
        let first = delivered_again(&redis, &swarm, &[0, 1]).await;
        let everyone: Vec<usize> = (0..USERS).collect();
        delivered_again(&redis, &swarm, &everyone).await;
        let all = answers.elapsed();
        channels_are_those_of(&redis, USERS).await;
        for replica in [&a, &b] {
            replica.stats_become(USERS as u64, USERS as u64, PATIENCE).await;
        }
        let stats = answers.elapsed();
        println!(
            "round {round}: after Redis answered, both replicas delivered in {first:?}, every user \
             had one in {all:?}, stats were right in {stats:?}"
        );
        assert_eq!(swarm.open_count(), USERS, "{:?}", swarm.closes());
        for (worst, measured) in worst.iter_mut().zip([first, all, stats]) {
            *worst = measured.max(*worst);
        }
    }
    println!(
        "max of 5 rounds: first {:?}, everyone {:?}, stats {:?}",
        worst[0], worst[1], worst[2]
    );
    assert!(worst[1] < Duration::from_secs(3), "{worst:?}");
    stop.store(true, Ordering::Relaxed);
    println!("{} notifications published meanwhile", traffic.await.unwrap());
    // Every socket is as it was, and still only hears its own.
    let before = swarm.counts();
    redis.publish(&channel(0), "{}").await;
    swarm.socket_has(0, before[0] + 1, PATIENCE).await;
    for path in DIALECTS {
        let user = USERS.to_string();
        Client::connect(&a, path).user(&user).await.unwrap_or_else(|r| panic!("{}", r.text()));
    }
}

#[tokio::test]
async fn readiness_ends_with_the_grace_and_liveness_never() {
    const GRACE: Duration = Duration::from_secs(1);
    let redis = Redis::start().await;
    let builder = Gateway::builder().redis(&redis).env("CAMPANILE_REDIS_GRACE", "1s");
    let gateway = builder.start().await;
    let client = Client::bare(&gateway, "0").await;
    let away = Instant::now();
    redis.kill();
    has_lost_redis(&gateway, PATIENCE).await;
    let mut ready = away.elapsed();
    eventually("/readyz answers 503", PATIENCE, async || {
        assert_eq!(gateway.ops_get("/livez").await.status, 200);
        let asked = away.elapsed();
        let status = gateway.ops_get("/readyz").await.status;
        if status == 200 {
            ready = asked;
        }
        status == 503
    })
    .await;
    let unready = away.elapsed();
    println!("grace {GRACE:?}: last ready {ready:?}, unready {unready:?} after Redis died");
    assert!(unready >= GRACE, "{unready:?}");
    redis.restart().await;
    let back = Instant::now();
    eventually("/readyz answers 200", PATIENCE, async || {
        gateway.ops_get("/readyz").await.status == 200
    })
    .await;
    println!("ready {:?} after Redis answered", back.elapsed());
    client.close().await;
}

#[tokio::test]
async fn a_replica_that_starts_before_redis_becomes_ready_with_it() {
    let redis = Redis::start().await;
    redis.kill();
    let gateway = Gateway::builder().redis(&redis).not_ready().start().await;
    assert_eq!(gateway.ops_get("/readyz").await.status, 503);
    refuses_upgrades(&gateway).await;
    redis.restart().await;
    eventually("/readyz answers 200", PATIENCE, async || {
        gateway.ops_get("/readyz").await.status == 200
    })
    .await;
    let mut client = Client::bare(&gateway, "0").await;
    assert_eq!(redis.publish(&channel(0), r#"{"id":1}"#).await, 1);
    assert_eq!(client.next_json().await["id"], 1);
}

#[tokio::test]
async fn killed_subscribers_subscribe_again() {
    const USERS: usize = 50;
    let redis = Redis::start().await;
    let (a, b) = (Gateway::start(&redis).await, Gateway::start(&redis).await);
    let swarm = one_socket_each(USERS, &[&a, &b]).await;
    let reconnects = a.metrics().await.value("campanile_redis_reconnects_total", &[]);
    assert!(redis.client_kill_pubsub().await >= 2);
    let everyone: Vec<usize> = (0..USERS).collect();
    let took = delivered_again(&redis, &swarm, &everyone).await;
    println!("delivered to everyone {took:?} after CLIENT KILL TYPE pubsub");
    channels_are_those_of(&redis, USERS).await;
    let name = "campanile_redis_reconnects_total";
    a.metric_is(name, reconnects + 1.0).await;
    a.metric_is("campanile_redis_subscriptions", 25.0).await;
    assert_eq!(swarm.open_count(), USERS);
}

#[tokio::test]
async fn a_link_that_only_looks_open_is_noticed_and_replaced() {
    const USERS: usize = 10;
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    let gateway = Gateway::builder().redis_through(&redis, &proxy).start().await;
    let swarm = one_socket_each(USERS, &[&gateway]).await;
    // Old connections stay dead while new ones would work, as behind a NAT that forgot them.
    proxy.stall();
    let stalled = Instant::now();
    proxy.restore().await;
    has_lost_redis(&gateway, 2 * PATIENCE).await;
    println!("noticed {:?} after the link stalled", stalled.elapsed());
    let everyone: Vec<usize> = (0..USERS).collect();
    delivered_again(&redis, &swarm, &everyone).await;
    println!("delivered again {:?} after the link stalled", stalled.elapsed());
    gateway.stats_become(USERS as u64, USERS as u64, 2 * PATIENCE).await;
    println!("stats right {:?} after the link stalled", stalled.elapsed());
    assert!(stalled.elapsed() < Duration::from_secs(20));
    let client = Client::bare(&gateway, "newcomer").await;
    client.close().await;
    assert_eq!(swarm.open_count(), USERS);
}

#[tokio::test]
async fn a_frozen_redis_loses_nothing_when_it_thaws_soon_and_is_heard_again_when_late() {
    const USERS: usize = 10;
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let swarm = one_socket_each(USERS, &[&gateway]).await;
    let mut connection = redis.connection().await;
    redis.pause();
    let publishes = tokio::spawn(async move {
        let mut pipeline = redis::pipe();
        for user in 0..USERS {
            pipeline.publish(channel(user), "{}").ignore();
        }
        pipeline.query_async::<()>(&mut connection).await.unwrap();
    });
    // A handshake cannot be answered before its subscription; it waits instead of failing.
    let late = tokio::spawn(Client::connect(&gateway, "/api/ws").user("late").into_future());
    sleep(Duration::from_secs(1)).await;
    assert!(!late.is_finished());
    redis.resume();
    publishes.await.unwrap();
    swarm.every_socket_has(1, PATIENCE).await;
    assert_eq!(swarm.counts(), [1; USERS]);
    late.await.unwrap().unwrap_or_else(|refused| panic!("{}", refused.text())).close().await;

    redis.pause();
    let noticed = has_lost_redis(&gateway, 2 * PATIENCE).await;
    println!("noticed {noticed:?} after Redis froze");
    refuses_upgrades(&gateway).await;
    redis.resume();
    let everyone: Vec<usize> = (0..USERS).collect();
    let took = delivered_again(&redis, &swarm, &everyone).await;
    println!("delivered to everyone {took:?} after Redis thawed");
    channels_are_those_of(&redis, USERS).await;
    assert_eq!(swarm.open_count(), USERS);
}

#[tokio::test]
async fn stats_are_right_after_redis_came_back_with_older_data() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let stays = Client::bare(&gateway, "stays").await;
    let goes = Client::bare(&gateway, "goes").await;
    gateway.stats_become(2, 2, PATIENCE).await;
    assert_eq!(redis.cli(&["SAVE"]).await, "OK");
    goes.close().await;
    let more = [Client::bare(&gateway, "comes").await, Client::bare(&gateway, "comes").await];
    let once = Client::bare(&gateway, "stays").await;
    gateway.stats_become(2, 4, PATIENCE).await;
    redis.kill();
    redis.restart().await;
    assert_eq!(redis.cli(&["HLEN", "campanile:{presence}:users"]).await, "2");
    let took = gateway.stats_become(2, 4, PATIENCE).await;
    println!("stats right {took:?} after Redis came back with older data");
    for client in more.into_iter().chain([stays, once]) {
        client.close().await;
    }
    gateway.stats_become(0, 0, PATIENCE).await;
}
