//! Sentinels name the master: the broker keeps its contract, and a failover costs seconds, not sockets.

use std::time::Instant;

use campanile::config::PubSub;

use crate::broker::{RETENTION, Replica};
use crate::support::gateway::{Builder, Gateway};
use crate::support::sentinel::{FAILOVER, Sentinel};
use crate::support::wait::{PATIENCE, until};
use crate::topologies::{self, delivers};
use crate::{broker, log};

fn replica(sentinel: &Sentinel) -> Builder {
    Gateway::builder().sentinel(sentinel).env("CAMPANILE_PUBLISH_KEYS", topologies::KEY)
}

#[tokio::test]
async fn the_contracts_hold_and_a_failover_loses_no_socket() {
    let sentinel = Sentinel::start().await;
    broker::the_contract(Replica::at(&sentinel.url(), PubSub::Classic, "r1", RETENTION).await)
        .await;
    log::the_contract(Replica::at(&sentinel.url(), PubSub::Classic, "r2", RETENTION).await).await;

    let (a, b) = (replica(&sentinel).start().await, replica(&sentinel).start().await);
    let swarm = topologies::sockets(2, &[&a, &b]).await;
    let primary = sentinel.primary().await;
    assert_eq!(primary.publish(&topologies::channel(0), r#"{"id":"plain"}"#).await, 1);
    delivers(&[&b], &swarm, "both replicas hear of what one appends").await;
    a.stats_become(2, 2, PATIENCE).await;

    let died = Instant::now();
    primary.kill();
    delivers(&[&a, &b], &swarm, "after the failover").await;
    println!("published by API and delivered {:?} after the primary was killed", died.elapsed());
    for gateway in [&a, &b] {
        gateway.stats_become(2, 2, FAILOVER).await;
        gateway.metric_is("campanile_redis_connected", 1.0).await;
    }
    println!("stats right {:?} after the primary was killed", died.elapsed());
    let promoted = sentinel.primary().await;
    assert_ne!(promoted.address(), primary.address());
    until("the function is there", PATIENCE, async || {
        let answer =
            promoted.cli(&["FCALL", "campanile_notify", "1", "42", r#"{"id":"function"}"#]).await;
        answer.contains('-').then_some(())
    })
    .await;

    let checked = replica(&sentinel).args(&["check"]).run().await;
    println!("{}", checked.stdout);
    assert!(checked.status.success(), "{checked:?}");
    assert!(checked.stdout.contains(&format!("names {}", promoted.address())), "{checked:?}");
    let told = ["publish", "--user", "42", "--id", "by the command"];
    let published = replica(&sentinel).args(&told).run().await;
    assert!(published.stdout.contains("kept at"), "{published:?}");
}

#[tokio::test]
async fn a_demoted_master_that_still_answers_is_left_for_the_new_one() {
    let sentinel = Sentinel::start().await;
    let gateway = replica(&sentinel).start().await;
    let swarm = topologies::sockets(1, &[&gateway]).await;
    let former = sentinel.primary().await;
    delivers(&[&gateway], &swarm, "before").await;
    let asked = Instant::now();
    let failover = ["SENTINEL", "FAILOVER", crate::support::sentinel::NAME];
    assert_eq!(sentinel.sentinels()[0].cli(&failover).await, "OK");
    let promoted = until("another is named", FAILOVER, async || {
        let primary = sentinel.primary().await;
        (primary.address() != former.address()).then_some(primary)
    })
    .await;
    // As the sentinels do some seconds later. The gateway may know of it already, or is refused once.
    let (host, port) = (promoted.address().ip().to_string(), promoted.address().port().to_string());
    former.cli(&["REPLICAOF", &host, &port]).await;
    assert_eq!(topologies::publish(&gateway, &[0], "at once").await, 200);
    delivers(&[&gateway], &swarm, "after").await;
    println!("delivered {:?} after the failover was asked for", asked.elapsed());
}
