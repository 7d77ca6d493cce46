//! Redis with copies: primaries die, slots move. Its copies are behind by a moment, so what is published counts as
//! accepted when one of them has it too.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::World;
use super::publisher::Lane;
use crate::support::cluster::Cluster;
use crate::support::gateway::{Builder, Gateway};
use crate::support::redis::Redis;
use crate::support::seed;
use crate::support::sentinel::Sentinel;
use crate::support::wait::seen;

const USERS: usize = 20;

fn lanes(servers: &[Redis]) -> Vec<Lane> {
    let urls: Vec<String> = servers.iter().map(Redis::url).collect();
    vec![Lane::Copied(urls.clone()), Lane::Copied(urls)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_sentinels_promote_a_replica() {
    let sentinel = Sentinel::start().await;
    let world = World::new(Gateway::builder().sentinel(&sentinel), 2, USERS).await;
    let mut random = seed::rng();
    let mut took = Duration::ZERO;
    let verdict = world
        .run(random.u64(..), lanes(sentinel.servers()), async || {
            sleep(Duration::from_secs(3)).await;
            let primary = sentinel.primary().await;
            let died = Instant::now();
            primary.kill();
            sentinel.primary().await;
            took = died.elapsed();
            sleep(Duration::from_secs(5)).await;
        })
        .await;
    println!("a primary killed, another after {took:?}: {verdict}");
}

async fn slots_and_masters(builder: impl Fn(&Cluster) -> Builder) -> String {
    let cluster = Cluster::start().await;
    let world = World::new(builder(&cluster), 2, USERS).await;
    let mut random = seed::rng();
    let names: Vec<String> = (0..USERS).map(|user| user.to_string()).collect();
    let mut moved = 0;
    let verdict = world
        .run(random.u64(..), lanes(cluster.nodes()), async || {
            sleep(Duration::from_secs(1)).await;
            moved = cluster.move_slots_of(&names).await;
            let master = cluster.master_of(cluster.slot("0").await).await;
            master.kill();
            seen("the master is dead", Duration::from_secs(10), || master.exited().then_some(()))
                .await;
            cluster.master_of(cluster.slot("0").await).await;
            sleep(Duration::from_secs(1)).await;
            // The one in its place has no copy until it comes back as one.
            master.restart().await;
            cluster.is_well(3).await;
            sleep(Duration::from_secs(3)).await;
        })
        .await;
    format!("{moved} slots moved and a master killed: {verdict}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_slots_move_and_a_master_dies() {
    let verdict = slots_and_masters(|cluster| Gateway::builder().cluster(cluster)).await;
    println!("classic, {verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_slots_move_and_a_master_dies_and_channels_are_sharded() {
    let sharded = |cluster: &Cluster| {
        Gateway::builder()
            .cluster(cluster)
            .env("CAMPANILE_PUBSUB", "sharded")
            .env("CAMPANILE_CHANNEL", "user:{{user_id}}:notifications")
    };
    println!("sharded, {}", slots_and_masters(sharded).await);
}
