//! Mail servers that misbehave, and replicas that die.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::mail::{LONG, addressed, all_is_done, in_the_end, post, replica};
use crate::support::gateway::Gateway;
use crate::support::ports;
use crate::support::redis::Redis;
use crate::support::seed;
use crate::support::smtp::{Mail, Sink};
use crate::support::wait::{eventually, until};

const LEADING: &str = "mailing what stays unread";

async fn post_many(gateway: &Gateway, count: usize) {
    let users = (0..count).map(|user| addressed(&format!("u{user}")));
    post(gateway, &Value::Array(users.collect())).await;
}

/// The `Message-ID`s of each recipient's mails.
fn by_recipient(mails: &[Mail]) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for mail in mails {
        all.entry(mail.to()).or_default().push(mail.header("Message-ID"));
    }
    all
}

#[tokio::test]
async fn every_mail_arrives_once_at_a_server_that_refuses_stalls_and_hangs_up() {
    const MAILS: usize = 200;
    let mut rng = seed::rng();
    let (redis, mut sink) = (Redis::start().await, Sink::start().await);
    let builder = replica(&redis, &sink);
    let replicas = [builder.clone().start().await, builder.start().await];
    let kinds = ["421", "451", "452", "drop", "drop", "stall"];
    sink.faults(0.06, &kinds, rng.u64(..)).await;
    post_many(&replicas[0], MAILS).await;
    // And for a while it is not there at all.
    sink.recipients_become(MAILS / 4, LONG).await;
    sink.listen(false).await;
    let refused = async |gateway: &Gateway| gateway.stderr_so_far().contains("takes no mail");
    eventually("a refused connection", LONG, async || {
        refused(&replicas[0]).await || refused(&replicas[1]).await
    })
    .await;
    sink.listen(true).await;
    sink.recipients_become(MAILS, 2 * LONG).await;
    let faults = sink.faults_so_far();
    sink.faults(0.0, &[], 0).await;
    all_is_done(&redis).await;
    let mails = by_recipient(&in_the_end(&replicas[0], &sink).await);
    assert!(faults > 10, "{faults} faults");
    assert_eq!(mails.len(), MAILS);
    for (to, ids) in mails {
        assert_eq!(ids.len(), 1, "{to}: {ids:?}");
    }
}

#[tokio::test]
async fn when_the_replica_that_mails_is_killed_another_one_goes_on_and_none_is_missing() {
    const MAILS: usize = 40;
    let (redis, mut sink) = (Redis::start().await, Sink::start().await);
    let builder = replica(&redis, &sink);
    let mut replicas = vec![builder.clone().start().await, builder.start().await];
    let leader = until("one mails", LONG, async || {
        replicas.iter().position(|replica| replica.stderr_so_far().contains(LEADING))
    })
    .await;
    sink.slow(0.3).await;
    post_many(&replicas[0], MAILS).await;
    sink.recipients_become(4, LONG).await;
    let dead = replicas.remove(leader);
    dead.kill();
    let survivor = &replicas[0];
    sink.recipients_become(MAILS, 2 * LONG).await;
    assert!(survivor.stderr_so_far().contains(LEADING));
    all_is_done(&redis).await;
    let mails = by_recipient(&in_the_end(survivor, &sink).await);
    assert_eq!(mails.len(), MAILS);
    let doubled: Vec<_> = mails.values().filter(|ids| ids.len() > 1).collect();
    println!("doubled by the kill: {}", doubled.len());
    // What was under way at that moment, and the recipient can tell.
    assert!(doubled.len() <= 8, "{doubled:?}");
    assert!(doubled.iter().all(|ids| ids.len() == 2 && ids[0] == ids[1]), "{doubled:?}");
}

#[tokio::test]
async fn a_replica_that_stops_ends_what_it_is_at_and_leaves_the_rest_to_the_others() {
    const MAILS: usize = 30;
    let (redis, mut sink) = (Redis::start().await, Sink::start().await);
    let builder = replica(&redis, &sink).env("CAMPANILE_DRAIN_DELAY", "0");
    let first = builder.clone().start().await;
    eventually("it mails", LONG, async || first.stderr_so_far().contains(LEADING)).await;
    let second = builder.start().await;
    sink.slow(0.2).await;
    post_many(&first, MAILS).await;
    sink.recipients_become(4, LONG).await;
    first.term();
    assert!(first.wait_exit(LONG).await.success());
    sink.recipients_become(MAILS, LONG).await;
    all_is_done(&redis).await;
    let mails = by_recipient(&in_the_end(&second, &sink).await);
    assert_eq!((mails.len(), mails.values().flatten().count()), (MAILS, MAILS));
}

#[tokio::test]
async fn what_the_server_does_not_take_for_too_long_is_given_up_and_remembered() {
    let (redis, sink) = (Redis::start().await, Sink::start().await);
    let gateway = replica(&redis, &sink).env("CAMPANILE_MAIL_GIVE_UP", "1s").start().await;
    post(&gateway, &serde_json::json!({"user_id": "full", "user_email": "reply-452@x.example"}))
        .await;
    let expired = [("result", "expired")];
    gateway.metric_becomes("campanile_mails_total", &expired, |value| value > 0.5).await;
    let retried = gateway.metrics().await.value("campanile_mails_total", &[("result", "retried")]);
    assert!(retried > 0.5, "{retried}");
    let list = redis.cli(&["LRANGE", "campanile:mail:failed", "0", "-1"]).await;
    assert!(list.contains("\"expired\"") && list.contains("452"), "{list}");
    assert_eq!(in_the_end(&gateway, &sink).await.len(), 0);
}

#[tokio::test]
async fn a_replica_that_cannot_reach_the_server_leaves_it_to_one_that_can() {
    let (redis, sink) = (Redis::start().await, Sink::start().await);
    let builder = replica(&redis, &sink);
    let nowhere = format!("smtp://{}", ports::free());
    let cut_off = builder.clone().env("CAMPANILE_SMTP_URL", &nowhere).start().await;
    eventually("it leads", LONG, async || cut_off.stderr_so_far().contains(LEADING)).await;
    let other = builder.start().await;
    post_many(&other, 3).await;
    sink.recipients_become(3, LONG).await;
    all_is_done(&redis).await;
    let mails = by_recipient(&in_the_end(&other, &sink).await);
    assert_eq!((mails.len(), mails.values().flatten().count()), (3, 3));
}
