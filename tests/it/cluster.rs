//! A Redis Cluster with classic pub/sub: slots move and masters die, sockets stay.

use std::collections::HashSet;
use std::time::Instant;

use campanile::broker::log::Item;
use campanile::config::PubSub;
use campanile::notification::UserId;
use futures_util::future::join_all;

use crate::broker::{RETENTION, Replica};
use crate::support::cluster::{Cluster, PATIENCE};
use crate::support::gateway::{Builder, Gateway};
use crate::support::wait::until;
use crate::topologies::{self, delivers};
use crate::{broker, log};

fn replica(cluster: &Cluster) -> Builder {
    Gateway::builder().cluster(cluster).env("CAMPANILE_PUBLISH_KEYS", topologies::KEY)
}

#[tokio::test]
async fn the_contracts_hold_and_batches_cross_slots_in_order() {
    let cluster = Cluster::start().await;
    broker::the_contract(Replica::at(&cluster.url(), PubSub::Classic, "r1", RETENTION).await).await;
    let replica = Replica::at(&cluster.url(), PubSub::Classic, "r2", RETENTION).await;
    let users: Vec<UserId> =
        (0..64).map(|user| UserId::new(&format!("u{user}")).unwrap()).collect();
    // What the replicas before have left is no script of this connection's.
    for node in cluster.nodes() {
        node.cli(&["SCRIPT", "FLUSH"]).await;
    }
    let ids: Vec<String> = (0..4).map(|id| id.to_string()).collect();
    let batch: Vec<Item<'_>> = ids
        .iter()
        .flat_map(|id| users.iter().map(move |user| Item { user, id, payload: "{}" }))
        .collect();
    let started = Instant::now();
    let appended = replica.broker.append(&batch).await.unwrap();
    println!("{} appends over three masters in {:?}", batch.len(), started.elapsed());
    for (item, appended) in batch.iter().zip(&appended) {
        let position = item.id.parse::<u64>().unwrap() + 1;
        assert_eq!((appended.is_new, appended.cursor.position), (true, position));
    }
    log::the_contract(replica).await;
}

#[tokio::test]
async fn ids_with_braces_have_a_log_and_a_channel_too() {
    let cluster = Cluster::start().await;
    let replica = Replica::at(&cluster.url(), PubSub::Classic, "r1", RETENTION).await;
    for name in ["a}b", "a{b}c", "{x}", "}x", "{}", "{"] {
        let user = UserId::new(name).unwrap();
        let _member = replica.join(name, 1).await;
        let item = Item { user: &user, id: "1", payload: "{}" };
        assert!(replica.broker.append(&[item]).await.unwrap()[0].is_new, "{name}");
        replica.heard.has_of(name, &[&format!("{name}: 1 at 1 after 0, 1 unread: {{}}")]).await;
    }
    let books = cluster.master_of(cluster.slot("a}b").await).await;
    until("the function says what it does not do", PATIENCE, async || {
        let answer = books.cli(&["FCALL", "c_notify", "1", "a}b", "{}"]).await;
        answer.contains("INVALID user_id").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_and_a_master_dies_under_traffic_and_every_socket_stays() {
    const USERS: usize = 30;
    let cluster = Cluster::start().await;
    let (a, b) = (replica(&cluster).start().await, replica(&cluster).start().await);
    let swarm = topologies::sockets(USERS, &[&a, &b]).await;
    let both = [&a, &b];
    delivers(&both, &swarm, "at first").await;
    // By whichever node it is said, every node hears of it.
    let before = swarm.counts();
    for node in cluster.running() {
        node.publish(&topologies::channel(0), r#"{"id":"plain"}"#).await;
    }
    swarm.socket_has(0, before[0] + 6, PATIENCE).await;
    a.stats_become(USERS as u64, USERS as u64, PATIENCE).await;

    let everyone: Vec<usize> = (0..USERS).collect();
    let names: Vec<String> = everyone.iter().map(ToString::to_string).collect();
    let reshard = Box::pin(cluster.move_slots_of(&names));
    let (moved, refused) = topologies::while_publishing(&a, &everyone, reshard).await;
    println!("{moved} slots moved under traffic, {refused} batches were refused");
    assert_eq!(refused, 0, "a slot that moves refuses nothing");
    delivers(&both, &swarm, "after the moves").await;
    let counts = join_all(everyone.iter().map(|user| unread(&a, *user))).await;
    let expected: HashSet<u64> = HashSet::from([counts[0]]);
    assert_eq!(
        counts.iter().copied().collect::<HashSet<_>>(),
        expected,
        "a log of one length each"
    );

    // One that has the books of who is connected, and users.
    let books = cluster.slot("campanile:{presence}:users").await;
    let master = cluster.master_of(cluster.slot("0").await).await;
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
    drop(swarm);
    a.stats_become(0, 0, PATIENCE).await;

    master.restart().await;
    cluster.is_well(3).await;
    let checked = replica(&cluster).args(&["check"]).run().await;
    println!("{}", checked.stdout);
    assert!(checked.status.success(), "{checked:?}");
    assert!(checked.stdout.contains("16384 of 16384 slots"), "{checked:?}");
    let told = ["publish", "--user", "42", "--id", "by the command"];
    let published = replica(&cluster).args(&told).run().await;
    assert!(published.stdout.contains("kept at"), "{published:?}");
}

async fn unread(gateway: &Gateway, user: usize) -> u64 {
    let path = "/api/notifications/unread_count";
    let answer = gateway.http_as(&user.to_string(), "GET", path).await;
    answer.json()["data"]["count"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()))
}
