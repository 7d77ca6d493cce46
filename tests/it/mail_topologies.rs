//! Mail through a Redis Cluster, over a restart of Redis, and by a replica of its own.

use serde_json::{Value, json};

use crate::mail::{KEY, LONG, addressed, in_the_end, post, replica};
use crate::support::cluster::Cluster;
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::smtp::{Mail, Sink};
use crate::support::wait::{eventually, until};

#[tokio::test]
async fn in_a_cluster_what_stays_unread_is_mailed_whatever_slot_its_user_has() {
    const USERS: usize = 40;
    let (cluster, sink) = (Cluster::start().await, Sink::start().await);
    let builder = sink.behind(Gateway::builder().cluster(&cluster));
    let builder = builder.env("CAMPANILE_PUBLISH_KEYS", KEY);
    let replicas = [builder.clone().start().await, builder.start().await];
    let users = (0..USERS).map(|user| addressed(&format!("http-{user}")));
    post(&replicas[0], &Value::Array(users.collect())).await;
    // A cluster takes the braces for a hash tag; see the keys of a log.
    post(&replicas[1], &json!({"user_id": "}odd", "user_email": "odd@x.example"})).await;
    for user in 0..USERS {
        let user = format!("function-{user}");
        let node = cluster.master_of(cluster.slot(&user).await).await;
        let payload = addressed(&user).to_string();
        until("the function appends", LONG, async || {
            let answer = node.cli(&["FCALL", "campanile_notify", "1", &user, &payload]).await;
            answer.starts_with(|c: char| c.is_ascii_digit()).then_some(())
        })
        .await;
    }
    sink.recipients_become(2 * USERS + 1, LONG).await;
    let mails = in_the_end(&replicas[1], &sink).await;
    assert_eq!(mails.len(), 2 * USERS + 1, "{:?}", mails.iter().map(Mail::to).collect::<Vec<_>>());
    for replica in &replicas {
        let (metrics, labels) = (replica.metrics().await, [("command", "mail")]);
        let of = |part| metrics.value(&format!("campanile_redis_command_seconds_{part}"), &labels);
        println!("mail: {:.0} pipelines in {:.1} s", of("count"), of("sum"));
    }
    for node in cluster.nodes() {
        let stats = node.cli(&["INFO", "commandstats"]).await;
        println!("{:?}", stats.lines().find(|line| line.contains("cmdstat_evalsha:")));
        let errors = node.cli(&["INFO", "errorstats"]).await;
        assert!(!errors.contains("CROSSSLOT"), "{errors}");
    }
}

#[tokio::test]
async fn what_waits_outlives_a_restart_of_redis_and_of_every_replica() {
    let (redis, sink) = (Redis::builder().aof().start().await, Sink::start().await);
    // This one schedules and does not mail.
    let without = |builder: crate::support::gateway::Builder| {
        builder.without("CAMPANILE_SMTP_URL").without("CAMPANILE_MAIL_FROM")
    };
    let scheduling = without(replica(&redis, &sink)).start().await;
    for user in ["a", "b", "c"] {
        post(&scheduling, &addressed(user)).await;
    }
    scheduling.kill();
    redis.restart().await;
    assert_eq!(redis.cli(&["ZCARD", "campanile:mail:due"]).await, "3");
    let mailing = replica(&redis, &sink).start().await;
    sink.recipients_become(3, LONG).await;
    redis.restart().await;
    eventually("the link is back", LONG, async || {
        mailing.metrics().await.value("campanile_redis_connected", &[]) > 0.5
    })
    .await;
    assert_eq!(in_the_end(&mailing, &sink).await.len(), 3);
}

#[tokio::test]
async fn without_mail_nothing_is_scheduled() {
    let redis = Redis::start().await;
    let gateway = Gateway::builder().redis(&redis).env("CAMPANILE_PUBLISH_KEYS", KEY).start().await;
    post(&gateway, &addressed("ada")).await;
    crate::support::notify::notify(&redis, "bob", &addressed("bob")).await;
    assert_eq!(redis.cli(&["EXISTS", "campanile:mail:due"]).await, "0");
}
