//! TLS, certificates and the rights of a Redis user: enough of each works, too little is said.

use std::time::Duration;

use crate::support::client::Client;
use crate::support::cluster::Cluster;
use crate::support::gateway::{Builder, Gateway};
use crate::support::redis::Redis;
use crate::support::sentinel::Sentinel;
use crate::support::smtp::Sink;
use crate::support::wait::{PATIENCE, eventually};
use crate::{mail, topologies};

const PASSWORD: &str = "ding-dong-of-the-bell";
/// All that a replica needs; the README and docs/operations.md list the same.
const RIGHTS: &str = "~campanile:* resetchannels &user:*:notifications &broadcast:notifications &campanile:* \
    -@all +subscribe +unsubscribe +psubscribe +publish +ping +unwatch +info +eval +evalsha +script|load \
    +function|load +fcall +time +get +set +del +incrby +decrby +exists +rename +pexpire +hget +hmget +hset \
    +hdel +hlen +hincrby +hrandfield +zadd +zrem +zscore +zrangebyscore";

/// What it needs besides where what stays unread is mailed.
const WITH_MAIL: &str = "+zcount +zremrangebyscore +lpush +ltrim";

/// What it needs besides where Sentinel names the master, and of the sentinels.
const WITH_SENTINEL: &str = "+role";
const OF_SENTINELS: &str = "-@all +sentinel|get-master-addr-by-name";
/// What it needs besides in a cluster.
const IN_CLUSTER: &str = "+cluster|slots +asking";
/// What it needs besides there for sharded pub/sub.
const SHARDED: &str = "+ssubscribe +sunsubscribe +spublish";
/// What it needs besides to hear Socket.IO's Redis adapter.
const CLASSIC_ADAPTER: &str = "&socket.io#/ws#user:*:notifications# &socket.io#/ws# \
    &socket.io#/#user:*:notifications# &socket.io#/# &socket.io-request#/ws# &socket.io-request#/#";
const SHARDED_ADAPTER: &str = "&socket.io#/ws#* &socket.io#/#* +ssubscribe +sunsubscribe +spublish";

#[test]
fn the_readme_and_the_operators_page_list_the_rights_that_are_enough() {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("```\n~campanile").unwrap();
    let block = format!("~campanile{}", block.split_once("```").unwrap().0);
    assert!(block.split_whitespace().eq(RIGHTS.split_whitespace()), "{block}");
    for more in [WITH_MAIL, WITH_SENTINEL, OF_SENTINELS, IN_CLUSTER, SHARDED] {
        assert!(readme.contains(&format!("`{more}`")), "{more}");
    }
    let page = include_str!("../../docs/operations.md");
    let (_, block) = page.split_once("~campanile:*").expect("it has the same");
    let block = format!("~campanile:*{}", block.split_once("```").unwrap().0);
    assert!(block.split_whitespace().eq(RIGHTS.split_whitespace()), "{block}");
    for more in [WITH_MAIL, WITH_SENTINEL, OF_SENTINELS, IN_CLUSTER, SHARDED] {
        assert!(page.contains(&format!("`{more}`")), "{more}");
    }
    let page = include_str!("../../docs/socketio-adapter.md");
    for more in [CLASSIC_ADAPTER, SHARDED_ADAPTER] {
        assert!(page.contains(&format!("```\n{more}\n```")), "{more}");
    }
}

/// Delivers, tells the counts, checks; with what these servers have of TLS and users.
async fn all_is_done(builder: &Builder, servers: &[&Redis]) {
    let (a, b) = (builder.clone().start().await, builder.clone().start().await);
    let swarm = topologies::sockets(8, &[&a, &b]).await;
    topologies::delivers(&[&a, &b], &swarm, "over TLS").await;
    b.stats_become(8, 8, PATIENCE).await;
    let checked = builder.clone().args(&["check"]).run().await;
    assert!(checked.status.success(), "{checked:?}");
    drop(swarm);
    a.term();
    b.stats_become(0, 0, 3 * PATIENCE).await;
    for server in servers {
        let denied = server.cli(&["ACL", "LOG"]).await;
        assert_eq!(denied, "", "the rights are not enough: {denied}");
    }
    for log in [a.stderr_so_far(), b.stderr_so_far(), checked.stdout] {
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

#[tokio::test]
async fn sentinels_with_tls_and_a_user_with_few_rights_are_all_right() {
    let servers = Redis::builder().mutual_tls();
    let sentinels = servers.clone().user("bell", PASSWORD, OF_SENTINELS);
    let servers = servers.user("bell", PASSWORD, &format!("{RIGHTS} {WITH_SENTINEL}"));
    let sentinel = Sentinel::start_as(servers, sentinels).await;
    let key = topologies::KEY;
    let builder = Gateway::builder().sentinel(&sentinel).env("CAMPANILE_PUBLISH_KEYS", key);
    let all: Vec<&Redis> = sentinel.servers().iter().chain(sentinel.sentinels()).collect();
    all_is_done(&builder, &all).await;
}

#[tokio::test]
async fn a_cluster_with_tls_and_a_user_with_few_rights_is_all_right() {
    let rights = format!("{RIGHTS} {IN_CLUSTER}");
    let node = Redis::builder().mutual_tls().user("bell", PASSWORD, &rights);
    let cluster = Cluster::start_as(node).await;
    let key = topologies::KEY;
    let builder = Gateway::builder().cluster(&cluster).env("CAMPANILE_PUBLISH_KEYS", key);
    let nodes: Vec<&Redis> = cluster.nodes().iter().collect();
    all_is_done(&builder, &nodes).await;
    for node in &nodes {
        let more = SHARDED.split(' ');
        node.cli(&["ACL", "SETUSER", "bell"].into_iter().chain(more).collect::<Vec<_>>()).await;
    }
    let sharded = builder
        .env("CAMPANILE_PUBSUB", "sharded")
        .env("CAMPANILE_CHANNEL", "user:{{user_id}}:notifications");
    all_is_done(&sharded, &nodes).await;
}

#[tokio::test]
async fn with_few_rights_more_what_stays_unread_is_mailed() {
    let (sink, user) = (Sink::start().await, "bell");
    let redis = Redis::builder().user(user, PASSWORD, RIGHTS).start().await;
    let check = mail::replica(&redis, &sink).args(&["check"]);
    let checked = check.clone().run().await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(checked.stdout.contains("Redis: may not schedule mail"), "{checked:?}");
    redis.cli(&["ACL", "LOG", "RESET"]).await;
    redis
        .cli(&["ACL", "SETUSER", user].into_iter().chain(WITH_MAIL.split(' ')).collect::<Vec<_>>())
        .await;
    let gateway = mail::replica(&redis, &sink).start().await;
    mail::post(&gateway, &mail::addressed("ada")).await;
    let refused = serde_json::json!({"user_id": "eve", "user_email": "reply-550@x.example"});
    mail::post(&gateway, &refused).await;
    sink.recipients_become(1, mail::LONG).await;
    gateway.metric_becomes("campanile_mails_total", &[("result", "failed")], |n| n > 0.5).await;
    let checked = check.run().await;
    assert!(checked.stdout.contains("Redis: may schedule mail"), "{checked:?}");
    let denied = redis.cli(&["ACL", "LOG"]).await;
    assert_eq!(denied, "", "the rights are not enough: {denied}");
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
    for fine in
        ["publish", "subscribe", "run scripts", "register the function", "subscribe by pattern"]
    {
        let fine = format!("Redis: may {fine}");
        assert!(checked.stdout.contains(&fine), "{fine}: {}", checked.stdout);
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
        // Without a file of authorities it is the public ones that are compiled in: the image has no others.
        ("authority, which the machine has", {
            let ca = redis.certificates().map(|files| files.ca.to_string_lossy().into_owned());
            let builder = builder.clone().without("CAMPANILE_REDIS_CA_FILE");
            builder.env("SSL_CERT_FILE", &ca.unwrap_or_default())
        }),
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
async fn hearing_the_socket_io_adapter_takes_its_channels_and_no_more() {
    for (kind, rights) in [
        ("classic", format!("{RIGHTS} {CLASSIC_ADAPTER}")),
        ("sharded", format!("{RIGHTS} {SHARDED_ADAPTER}")),
    ] {
        let redis = Redis::builder().user("bell", PASSWORD, &rights).start().await;
        let builder = Gateway::builder().redis(&redis).env("CAMPANILE_SOCKETIO_ADAPTER", kind);
        let gateway = builder.clone().start().await;
        let client = Client::bare(&gateway, "42").await;
        eventually("it captures", PATIENCE, async || {
            gateway.stderr_so_far().contains("capturing for users who are offline")
        })
        .await;
        let checked = builder.args(&["check"]).run().await;
        assert!(checked.status.success(), "{checked:?}");
        let fine = "Redis: may subscribe to the channels of the Socket.IO adapter";
        assert!(checked.stdout.contains(fine), "{checked:?}");
        client.close().await;
        let denied = redis.cli(&["ACL", "LOG"]).await;
        assert_eq!(denied, "", "the rights are not enough: {denied}");

        let redis = Redis::builder().user("bell", PASSWORD, RIGHTS).start().await;
        let builder = Gateway::builder().redis(&redis).env("CAMPANILE_SOCKETIO_ADAPTER", kind);
        let checked = builder.args(&["check"]).run().await;
        assert_eq!(checked.status.code(), Some(1), "{checked:?}");
        let problem = "may not subscribe to the channels of the Socket.IO adapter";
        let line = checked.stdout.lines().find(|line| line.contains(problem));
        println!("{kind}: {}", line.unwrap_or_default());
        assert!(line.is_some_and(|line| line.contains("no permissions")), "{checked:?}");
    }
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
