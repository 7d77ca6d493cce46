//! A Redis Cluster with sharded pub/sub: a replica follows its users' slots wherever they go.

use std::time::{Duration, Instant};

use campanile::broker::log::Item;
use campanile::config::PubSub;
use campanile::notification::UserId;

use crate::broker::{RETENTION, Replica};
use crate::support::cluster::{Cluster, PATIENCE};
use crate::support::gateway::{Builder, Gateway};
use crate::support::wait::eventually;
use crate::topologies::{self, delivers};
use crate::{broker, log};

const TEMPLATE: &str = "user:{{user_id}}:notifications";

fn replica(cluster: &Cluster) -> Builder {
    Gateway::builder()
        .cluster(cluster)
        .env("CAMPANILE_PUBSUB", "sharded")
        .env("CAMPANILE_CHANNEL", TEMPLATE)
        .env("CAMPANILE_PUBLISH_KEYS", topologies::KEY)
}

fn channel(user: usize) -> String {
    TEMPLATE.replace("{user_id}", &user.to_string())
}

#[tokio::test]
async fn the_contracts_hold_whatever_the_ids() {
    let cluster = Cluster::start().await;
    let at = async |name| Replica::at(&cluster.url(), PubSub::Sharded, name, RETENTION).await;
    broker::the_contract(at("r1").await).await;
    log::the_contract(at("r2").await).await;
    let replica = at("r3").await;
    for name in ["a}b", "a{b}c", "{x}", "}x", "{}", "{"] {
        let user = UserId::new(name).unwrap();
        let _member = replica.join(name, 1).await;
        let item = Item { user: &user, id: "1", payload: "{}" };
        assert!(replica.broker.append(&[item]).await.unwrap()[0].is_new, "{name}");
        replica.heard.has_of(name, &[&format!("{name}: 1 at 1 after 0, 1 unread: {{}}")]).await;
    }
}

#[tokio::test]
async fn a_user_whose_slot_was_moved_is_doubted_and_heard_again() {
    let cluster = Cluster::start().await;
    let replica = Replica::at(&cluster.url(), PubSub::Sharded, "r1", RETENTION).await;
    let ada = UserId::new("ada").unwrap();
    let _members = [replica.join("ada", 1).await, replica.join("grace", 2).await];
    let slot = cluster.slot("ada").await;
    let moved = Instant::now();
    cluster.move_slot(slot, cluster.other_master(slot).await).await;
    replica.heard.has(&["doubt ada"]).await;
    println!("doubted and subscribed again {:?} after the move began", moved.elapsed());
    assert!(replica.broker.link().is_up(), "the link stayed");
    let item = Item { user: &ada, id: "1", payload: "{}" };
    replica.broker.append(&[item]).await.unwrap();
    replica.heard.has(&["doubt ada", "ada: 1 at 1 after 0, 1 unread: {}"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_and_a_master_dies_under_traffic_and_every_socket_stays() {
    const USERS: usize = 60;
    let cluster = Cluster::start().await;
    let (a, b) = (replica(&cluster).start().await, replica(&cluster).start().await);
    let swarm = topologies::sockets(USERS, &[&a, &b]).await;
    let both = [&a, &b];
    delivers(&both, &swarm, "at first").await;
    let before = swarm.counts();
    let owner = cluster.master_of(cluster.slot(&channel(0)).await).await;
    let plain: usize =
        owner.ask(redis::cmd("SPUBLISH").arg(channel(0)).arg(r#"{"id":"plain"}"#)).await;
    assert_eq!(plain, 1, "one replica is subscribed");
    swarm.socket_has(0, before[0] + 1, PATIENCE).await;

    let everyone: Vec<usize> = (0..USERS).collect();
    let reconnects = reconnects(&both).await;
    let names: Vec<String> = everyone.iter().map(|user| channel(*user)).collect();
    let reshard = Box::pin(cluster.move_slots_of(&names));
    let (moved, refused) = topologies::while_publishing(&a, &everyone, reshard).await;
    println!("{moved} slots moved under traffic, {refused} batches were refused");
    assert_eq!(refused, 0, "a slot that moves refuses nothing");
    let took = delivers(&both, &swarm, "after the moves").await;
    println!("everyone reached {took:?} after the moves");
    assert!(reconnects.eq(&self::reconnects(&both).await), "a moved slot costs no link");

    // One that has the books of who is connected, and users.
    let books = cluster.slot("campanile:{presence}:users").await;
    let master = cluster.master_of(cluster.slot(&channel(0)).await).await;
    if cluster.master_of(books).await.address() != master.address() {
        cluster.move_slot(books, master).await;
    }
    let died = Instant::now();
    master.kill();
    delivers(&both, &swarm, "after a master died").await;
    println!("published by API and delivered {:?} after a master was killed", died.elapsed());
    for gateway in both {
        gateway.stats_become(USERS as u64, USERS as u64, PATIENCE).await;
        gateway.metric_is("campanile_redis_connected", 1.0).await;
    }
    println!("stats right {:?} after a master was killed", died.elapsed());
    let subscriptions = async || {
        let mut all = 0.0;
        for gateway in both {
            all += gateway.metrics().await.value("campanile_redis_subscriptions", &[]);
        }
        all
    };
    eventually("a channel for each user", PATIENCE, async || {
        (subscriptions().await - 60.0).abs() < 0.5
    })
    .await;

    drop(swarm);
    a.stats_become(0, 0, PATIENCE).await;
    eventually("no channel is left", PATIENCE, async || subscriptions().await < 0.5).await;
    for node in cluster.running() {
        eventually("Redis knows of none either", Duration::from_secs(10), async || {
            let left = node.cli(&["PUBSUB", "SHARDCHANNELS", "user:*"]).await;
            left.is_empty()
        })
        .await;
    }

    master.restart().await;
    cluster.is_well(3).await;
    let checked = replica(&cluster).args(&["check"]).run().await;
    println!("{}", checked.stdout);
    assert!(checked.status.success(), "{checked:?}");
    assert!(checked.stdout.contains("SPUBLISH"), "{checked:?}");
    let told = ["publish", "--user", "42", "--id", "by the command"];
    let published = replica(&cluster).args(&told).run().await;
    assert!(published.stdout.contains("kept at"), "{published:?}");
}

async fn reconnects(gateways: &[&Gateway]) -> Vec<String> {
    let mut all = Vec::new();
    for gateway in gateways {
        let name = "campanile_redis_reconnects_total";
        all.push(gateway.metrics().await.value(name, &[]).to_string());
    }
    all
}
