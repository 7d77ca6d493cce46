//! One Redis: replicas die, Redis restarts, links are cut or hang.

use std::time::Duration;

use tokio::time::sleep;

use super::World;
use super::publisher::Lane;
use crate::support::gateway::Gateway;
use crate::support::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::seed;

const USERS: usize = 40;

fn lanes(redis: &Redis) -> Vec<Lane> {
    let function = Lane::Function(redis.url());
    vec![function.clone(), function, Lane::Http]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_replicas_are_killed() {
    let redis = Redis::start().await;
    let world = World::new(Gateway::builder().redis(&redis), 3, USERS).await;
    let mut random = seed::rng();
    let verdict = world
        .run(random.u64(..), lanes(&redis), async || {
            for _ in 0..6 {
                sleep(Duration::from_millis(random.u64(500..1500))).await;
                world.kill_replica(random.usize(0..3));
                world.start_replica().await;
            }
        })
        .await;
    println!("six replicas killed: {verdict}");
    assert_eq!(verdict.told_lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_redis_restarts_with_its_file() {
    let redis = Redis::builder().aof().start().await;
    let world = World::new(Gateway::builder().redis(&redis), 2, USERS).await;
    let mut random = seed::rng();
    let verdict = world
        .run(random.u64(..), lanes(&redis), async || {
            for _ in 0..4 {
                sleep(Duration::from_millis(random.u64(1000..2000))).await;
                redis.kill();
                sleep(Duration::from_millis(random.u64(0..1000))).await;
                redis.restart().await;
            }
            sleep(Duration::from_secs(1)).await;
        })
        .await;
    println!("Redis killed and restarted four times: {verdict}");
    assert_eq!(verdict.told_lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_links_are_cut() {
    let redis = Redis::start().await;
    let world = World::new(Gateway::builder().redis(&redis), 3, USERS).await;
    let mut random = seed::rng();
    let mut cut = 0;
    let verdict = world
        .run(random.u64(..), lanes(&redis), async || {
            for _ in 0..20 {
                sleep(Duration::from_millis(random.u64(50..800))).await;
                cut += redis.client_kill_pubsub().await;
            }
        })
        .await;
    println!("{cut} links cut: {verdict}");
    assert_eq!(verdict.told_lost, 0);
    assert!(cut > 20, "{cut}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_a_link_hangs_for_twenty_seconds() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    let world = World::new(Gateway::builder().redis(&redis), 1, USERS).await;
    let behind = Gateway::builder()
        .redis_through(&redis, &proxy)
        .env("CAMPANILE_INBOX_SIZE", "10000")
        .env("CAMPANILE_PUBLISH_KEYS", super::publisher::KEY);
    world.add(behind.start().await);
    let mut random = seed::rng();
    let verdict = world
        .run(random.u64(..), lanes(&redis), async || {
            sleep(Duration::from_secs(2)).await;
            proxy.stall();
            sleep(Duration::from_secs(20)).await;
            proxy.restore().await;
            sleep(Duration::from_secs(2)).await;
        })
        .await;
    println!("a link half-open for 20 s: {verdict}");
    assert_eq!(verdict.told_lost, 0);
}
