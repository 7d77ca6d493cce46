//! TLS, certificates and the rights of a Redis user: enough of each works, too little is said.

use std::time::Duration;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually};

const PASSWORD: &str = "ding-dong-of-the-bell";
/// All that a replica needs; the README lists the same.
const RIGHTS: &str = "~campanile:* resetchannels &user:*:notifications &broadcast:notifications &campanile:* \
    -@all +subscribe +unsubscribe +psubscribe +publish +ping +unwatch +info +eval +evalsha +script|load \
    +function|load +fcall +time +get +set +del +incrby +decrby +exists +rename +pexpire +hget +hmget +hset \
    +hdel +hlen +hincrby +hrandfield +zadd +zrem +zscore +zrangebyscore";

#[test]
fn the_readme_lists_the_rights_that_are_enough() {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("```\n~campanile").unwrap();
    let block = format!("~campanile{}", block.split_once("```").unwrap().0);
    assert!(block.split_whitespace().eq(RIGHTS.split_whitespace()), "{block}");
}

#[tokio::test]
async fn a_redis_with_tls_client_certificates_and_a_user_with_few_rights_is_all_right() {
    let redis = Redis::builder().mutual_tls().user("bell", PASSWORD, RIGHTS).start().await;
    assert!(redis.url().starts_with("rediss://bell:"), "{}", redis.url());
    let builder = Gateway::builder().redis(&redis).env("CAMPANILE_LOG", "debug");
    let (a, b) = (builder.clone().start().await, builder.clone().start().await);
    let mut clients = [Client::user(&a, "42").await, Client::bare(&b, "42").await];
    assert_eq!(redis.publish("user:42:notifications", r#"{"id":"over TLS"}"#).await, 2);
    assert_eq!(clients[0].next_json().await["data"]["id"], "over TLS");
    assert_eq!(clients[1].next_json().await["id"], "over TLS");
    for replica in [&a, &b] {
        replica.stats_become(1, 2, PATIENCE).await;
    }
    redis.restart().await;
    for replica in [&a, &b] {
        replica.metric_is("campanile_redis_connected", 1.0).await;
        replica.stats_become(1, 2, PATIENCE).await;
    }
    b.term();
    a.stats_become(1, 1, 3 * PATIENCE).await;
    let denied = redis.cli(&["ACL", "LOG"]).await;
    assert_eq!(denied, "", "the rights are not enough: {denied}");
    assert!(!a.stderr_so_far().contains(PASSWORD) && !b.stderr_so_far().contains(PASSWORD));

    let checked = builder.clone().args(&["check"]).run().await;
    assert!(checked.status.success(), "{checked:?}");
    for fine in [
        "Redis: may publish",
        "Redis: may subscribe",
        "Redis: may run scripts",
        "Redis: may subscribe by pattern",
    ] {
        assert!(checked.stdout.contains(fine), "{fine}: {}", checked.stdout);
    }
}

#[tokio::test]
async fn a_missing_authority_certificate_or_password_is_a_problem_that_check_names() {
    let redis = Redis::builder().mutual_tls().user("bell", PASSWORD, RIGHTS).start().await;
    let builder = Gateway::builder().redis(&redis).args(&["check"]);
    let (cert, key) = ("CAMPANILE_REDIS_CERT_FILE", "CAMPANILE_REDIS_KEY_FILE");
    let url = "CAMPANILE_REDIS_URL";
    for (what, broken) in [
        ("authority", builder.clone().without("CAMPANILE_REDIS_CA_FILE")),
        ("client certificate", builder.clone().without(cert).without(key)),
        ("key of the certificate", builder.clone().without(key)),
        ("password", builder.clone().env(url, &redis.url().replace(PASSWORD, "wrong-one"))),
        ("user", builder.clone().env(url, &format!("rediss://{}", redis.address()))),
        ("TLS", builder.clone().env(url, &format!("redis://{}", redis.address()))),
    ] {
        let checked = broken.run().await;
        let problem = checked.stdout.lines().find(|line| line.contains("problem"));
        println!("without the right {what}: {}", problem.unwrap_or_default());
        assert_eq!(checked.status.code(), Some(1), "{what}: {checked:?}");
        assert!(problem.is_some(), "{what}: {checked:?}");
        for text in [&checked.stdout, &checked.stderr] {
            assert!(!text.contains(PASSWORD) && !text.contains("wrong-one"), "{what}: {text}");
        }
    }
}

#[tokio::test]
async fn a_user_who_may_not_subscribe_is_told_so_and_is_served_once_the_right_is_given() {
    let channels = "&user:*:notifications &broadcast:notifications &campanile:*";
    let too_few = RIGHTS.replace(channels, "&campanile:*");
    let redis = Redis::builder().user("bell", PASSWORD, &too_few).start().await;
    let builder = Gateway::builder().redis(&redis);
    let checked = builder.clone().args(&["check"]).run().await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    for problem in ["may not publish", "may not subscribe"] {
        let line = checked.stdout.lines().find(|line| line.contains(problem));
        println!("check: {}", line.unwrap_or_default());
        assert!(line.is_some_and(|line| line.contains("no permissions")), "{problem}: {checked:?}");
    }

    let gateway = builder.not_ready().start().await;
    eventually("the log tells why", PATIENCE, async || {
        let log = gateway.stderr_so_far();
        log.contains("not subscribed to Redis") && log.contains("NOPERM")
    })
    .await;
    let log = gateway.stderr_so_far();
    println!("log: {}", log.lines().find(|line| line.contains("NOPERM")).unwrap_or_default());
    assert!(!log.contains(PASSWORD));
    assert_eq!(gateway.ops_get("/readyz").await.status, 503);
    redis
        .cli(&["ACL", "SETUSER", "bell", "&user:*:notifications", "&broadcast:notifications"])
        .await;
    eventually("the replica is ready", PATIENCE, async || {
        gateway.ops_get("/readyz").await.status == 200
    })
    .await;
    let mut client = Client::bare(&gateway, "42").await;
    assert_eq!(redis.publish("user:42:notifications", r#"{"id":1}"#).await, 1);
    assert_eq!(client.next_json_within(Duration::from_secs(5)).await["id"], 1);
}

#[tokio::test]
async fn a_user_who_may_run_no_scripts_is_a_problem_that_check_names() {
    let rights = format!("{RIGHTS} -@scripting");
    let redis = Redis::builder().user("bell", PASSWORD, &rights).start().await;
    let checked = Gateway::builder().redis(&redis).args(&["check"]).run().await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let line = checked.stdout.lines().find(|line| line.contains("may not run scripts"));
    println!("check: {}", line.unwrap_or_default());
    assert!(line.is_some_and(|line| line.contains("no permissions")), "{checked:?}");
    assert!(checked.stdout.contains("Redis: may subscribe"), "{checked:?}");
}
