//! A replica that dies or freezes is forgotten by the others, and counted again when it thaws.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::wait::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_is_forgotten_within_30_s_and_a_frozen_one_counted_again() {
    const FROZEN: Duration = Duration::from_secs(20);
    let redis = Redis::start().await;
    let [stays, dies, freezes] =
        [Gateway::start(&redis).await, Gateway::start(&redis).await, Gateway::start(&redis).await];
    let mut clients = Vec::new();
    for (replica, user) in [(&stays, "a"), (&stays, "b"), (&dies, "b"), (&dies, "c")] {
        clients.push(Client::bare(replica, user).await);
    }
    let mut frozen = Client::bare(&freezes, "d").await;
    clients.push(Client::bare(&freezes, "b").await);
    stays.stats_become(4, 6, PATIENCE).await;

    dies.kill();
    freezes.pause();
    let gone = Instant::now();
    assert_eq!(redis.publish("user:d:notifications", r#"{"id":"while frozen"}"#).await, 1);
    stays.stats_become(2, 2, Duration::from_secs(30)).await;
    println!("a killed and a frozen replica were forgotten {:?} after", gone.elapsed());

    // As long as a machine that swaps may be away.
    sleep_until((gone + FROZEN).into()).await;
    freezes.resume();
    let thawed = Instant::now();
    assert_eq!(frozen.next_json().await["id"], "while frozen");
    println!("what was published meanwhile was delivered {:?} after it thawed", thawed.elapsed());
    for replica in [&stays, &freezes] {
        replica.stats_become(3, 4, PATIENCE).await;
    }
    println!("counted again {:?} after it thawed", thawed.elapsed());
    assert_eq!(redis.publish("user:d:notifications", r#"{"id":"after"}"#).await, 1);
    assert_eq!(frozen.next_json().await["id"], "after");
    drop((clients, frozen));
    for replica in [&stays, &freezes] {
        replica.stats_become(0, 0, PATIENCE).await;
    }
}
