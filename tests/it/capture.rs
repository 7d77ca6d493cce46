//! Plain PUBLISH is kept too: once, whoever hears it, and whoever dies between hearing and keeping.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually, until};

/// A standby's wait, the lease of a dead leader and a slow machine.
const LONG: Duration = Duration::from_mins(1);

fn channel(user: &str) -> String {
    format!("user:{user}:notifications")
}

async fn get(gateway: &Gateway, user: &str, path: &str) -> Value {
    let answer = gateway.http_as(user, "GET", &format!("/api/notifications{path}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

/// The ids in the inbox, oldest first; the count has to agree.
async fn kept(gateway: &Gateway, user: &str) -> Vec<String> {
    let page = get(gateway, user, "?limit=200").await;
    let ids = page["items"].as_array().unwrap().iter().rev();
    ids.map(|item| item["notification_id"].as_str().unwrap().to_owned()).collect()
}

async fn count(gateway: &Gateway, user: &str) -> u64 {
    get(gateway, user, "/unread_count").await["count"].as_u64().unwrap()
}

async fn becomes(gateway: &Gateway, user: &str, ids: &[&str]) {
    let what = format!("{user} has {ids:?}");
    eventually(&what, PATIENCE, async || kept(gateway, user).await == ids).await;
    assert_eq!(count(gateway, user).await, ids.len() as u64);
}

/// Which of `replicas` holds this lease.
async fn holder(redis: &Redis, replicas: &[Gateway], number: u8) -> usize {
    until(&format!("somebody here holds lease {number}"), LONG, async || {
        let name = redis.cli(&["GET", &format!("campanile:{{capture}}:{number}")]).await;
        let says_so = |gateway: &Gateway| {
            let log = gateway.stderr_so_far();
            log.lines().any(|line| line.contains(&name) && line.contains("captur"))
        };
        if name.is_empty() { None } else { replicas.iter().position(says_so) }
    })
    .await
}

#[tokio::test]
async fn a_plain_publish_is_delivered_at_once_and_kept_once() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let (mut phone, _) = Client::v1(&gateway, "ada", "").await;
    let mut bare = Client::bare(&gateway, "ada").await;
    redis
        .publish(&channel("ada"), r#"{"id":"a","title":"t","timestamp":"2026-01-01T00:00:00Z"}"#)
        .await;
    let frame = phone.next_json().await;
    assert_eq!((&frame["type"], &frame["data"]["id"]), (&json!("notification"), &json!("a")));
    assert!(frame["data"].get("cursor").is_none(), "delivered before it is kept: {frame}");
    let told = phone.next_json().await;
    assert_eq!((&told["type"], &told["data"]["count"]), (&json!("unread_count"), &json!(1)));
    assert!(told["data"]["version"].as_u64() > Some(0), "{told}");
    assert!(told["data"]["cursor"].as_str().unwrap().starts_with("1-"), "{told}");
    assert_eq!(bare.next_json().await["id"], "a");

    // Without an id, and twice: what is delivered and what is kept have the same, derived one.
    for _ in 0..2 {
        redis.publish(&channel("ada"), r#"{"title":"u"}"#).await;
    }
    let live = phone.next_of("notification").await["data"].take();
    assert_eq!(phone.next_of("unread_count").await["data"]["count"], 2);
    becomes(&gateway, "ada", &["a", live["id"].as_str().unwrap()]).await;
    let newest = &get(&gateway, "ada", "?limit=1").await["items"][0];
    for field in ["id", "title", "timestamp", "type", "user_id"] {
        assert_eq!(newest[field], live[field], "{field}");
    }
    let result = gateway.http_as("ada", "POST", "/api/notifications/a/read").await;
    assert_eq!(result.status, 200);
    assert_eq!(count(&gateway, "ada").await, 1);
    redis.publish(&channel("ada"), r#"{"id":"b"}"#).await;
    assert_eq!(bare.next_json().await["title"], "u");
    assert_eq!(bare.next_json().await["title"], "u");
    assert_eq!(bare.next_json().await["id"], "b", "nothing else");
}

#[tokio::test]
async fn the_same_id_a_thousand_times_on_two_replicas_is_one_entry() {
    let redis = Redis::start().await;
    let start = || Gateway::builder().redis(&redis).env("CAMPANILE_SEND_QUEUE", "2000").start();
    let (a, b) = tokio::join!(start(), start());
    let mut clients = [Client::bare(&a, "ada").await, Client::bare(&b, "ada").await];
    let mut pipeline = redis::pipe();
    for _ in 0..1000 {
        pipeline.publish(channel("ada"), r#"{"id":"once"}"#);
    }
    pipeline.publish(channel("ada"), r#"{"id":"last"}"#);
    let _: Vec<u64> = pipeline.query_async(&mut redis.connection().await).await.unwrap();
    for client in &mut clients {
        for _ in 0..1000 {
            assert_eq!(client.next_json().await["id"], "once", "live delivery is not the log's");
        }
        assert_eq!(client.next_json().await["id"], "last");
    }
    becomes(&a, "ada", &["once", "last"]).await;
    for gateway in [&a, &b] {
        gateway.metric_is("campanile_capture_queue_items", 0.0).await;
        gateway.metric_is("campanile_capture_held_items", 0.0).await;
    }
    assert_eq!(kept(&b, "ada").await, ["once", "last"]);
    assert_eq!(count(&b, "ada").await, 2);
}

#[tokio::test]
async fn a_user_who_is_offline_finds_it_and_what_came_by_two_lanes_once() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    holder(&redis, std::slice::from_ref(&gateway), 0).await;
    assert_eq!(redis.publish(&channel("ada"), r#"{"id":"plain"}"#).await, 0, "nobody is here");
    becomes(&gateway, "ada", &["plain"]).await;
    let function = async || !redis.cli(&["FUNCTION", "LIST"]).await.is_empty();
    eventually("the function is registered", PATIENCE, function).await;
    redis.cli(&["FCALL", "campanile_notify", "1", "ada", r#"{"id":"both"}"#]).await;
    redis.publish(&channel("ada"), r#"{"id":"both"}"#).await;
    redis.publish(&channel("ada"), r#"{"id":"other"}"#).await;
    redis.cli(&["FCALL", "campanile_notify", "1", "ada", r#"{"id":"other"}"#]).await;
    let in_any_order = async || {
        let mut ids = kept(&gateway, "ada").await;
        ids.sort();
        ids == ["both", "other", "plain"]
    };
    eventually("all three are kept", PATIENCE, in_any_order).await;
    for (user, payload) in [("ada", "[]"), ("ada", r#"{"user_id":"eve"}"#), ("", "{}")] {
        redis.publish(&channel(user), payload).await;
    }
    redis.publish(&channel("ada"), &format!(r#"{{"id":"{}"}}"#, "x".repeat(200_000))).await;
    for reason in ["not_an_object", "wrong_user", "user_id", "too_large"] {
        let labels = [("source", "capture"), ("reason", reason)];
        let name = "campanile_notifications_invalid_total";
        gateway.metric_becomes(name, &labels, |count| (count - 1.0).abs() < 0.5).await;
    }
    redis.publish("broadcast:notifications", r#"{"id":"all"}"#).await;
    redis.publish(&channel("grace"), r#"{"id":"last"}"#).await;
    becomes(&gateway, "grace", &["last"]).await;
    gateway.metric_is("campanile_capture_held_items", 0.0).await;
    assert_eq!(count(&gateway, "ada").await, 3);
    let labels = [("source", "capture")];
    let heard = gateway.metrics().await.value("campanile_notifications_received_total", &labels);
    assert!((3.0..=5.0).contains(&heard), "{heard}");
}

/// Publishes at least 2,000 at a steady pace to 200 users who are offline, and ends the leader of three
/// replicas meanwhile, and then the leader after it. All that was published is kept, once each.
#[expect(clippy::print_stdout, reason = "figures of a passing test")]
async fn nothing_is_lost(redis: &Redis, replicas: &[Gateway], end: impl AsyncFn(&Gateway)) {
    const USERS: usize = 200;
    const EACH: Duration = Duration::from_millis(8);
    let ended = Mutex::new(Vec::new());
    let publishing = async {
        let mut connection = redis.connection().await;
        let mut pace = tokio::time::interval(EACH);
        let mut published = 0;
        while published < 2_000 || ended.lock().unwrap().len() < 2 {
            pace.tick().await;
            let payload = format!(r#"{{"id":"n{published}"}}"#);
            let publish = redis::Cmd::publish(channel(&format!("u{}", published % USERS)), payload);
            let _: u64 = publish.query_async(&mut connection).await.unwrap();
            published += 1;
        }
        published
    };
    let ending = async {
        for _ in 0..2 {
            // Two that end at one moment are more than is promised, so a standby has to be there, and the
            // leader done with what it heard alone: it appends in the order of hearing.
            let leader = until("a leader and a standby are alive", LONG, async || {
                let leader = holder(redis, replicas, 0).await;
                let standby = holder(redis, replicas, 1).await;
                let ended = ended.lock().unwrap();
                let alive =
                    leader != standby && ![leader, standby].iter().any(|n| ended.contains(n));
                alive.then_some(leader)
            })
            .await;
            let marker = format!("marker{}", ended.lock().unwrap().len());
            redis.publish(&channel(&marker), &format!(r#"{{"id":"{marker}"}}"#)).await;
            becomes(&replicas[leader], &marker, &[&marker]).await;
            end(&replicas[leader]).await;
            ended.lock().unwrap().push(leader);
        }
    };
    let (published, ()) = tokio::join!(publishing, ending);
    let since = Instant::now();
    let left = (0..replicas.len()).find(|n| !ended.lock().unwrap().contains(n)).unwrap();
    for user in 0..USERS {
        let expected: Vec<usize> = (user..published).step_by(USERS).collect();
        let user = format!("u{user}");
        let numbers = async || {
            let ids = kept(&replicas[left], &user).await;
            let mut numbers: Vec<usize> =
                ids.iter().map(|id| id.trim_start_matches('n').parse().unwrap()).collect();
            numbers.sort_unstable();
            numbers
        };
        let deadline = Instant::now() + PATIENCE;
        while numbers().await != expected && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(numbers().await, expected, "of {user}; of all there are {published}");
        assert_eq!(count(&replicas[left], &user).await, expected.len() as u64);
    }
    println!("{published} kept; the last was found {:?} after the last publish", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_and_its_killed_successor_lose_nothing() {
    let redis = Redis::start().await;
    let replicas =
        [Gateway::start(&redis).await, Gateway::start(&redis).await, Gateway::start(&redis).await];
    nothing_is_lost(&redis, &replicas, async |leader| leader.kill()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_told_to_stop_hands_over_and_loses_nothing() {
    let redis = Redis::start().await;
    let start = || {
        let builder = Gateway::builder().redis(&redis).env("CAMPANILE_DRAIN_DELAY", "0");
        builder.env("CAMPANILE_DRAIN_WINDOW", "10ms").start()
    };
    let replicas = [start().await, start().await, start().await];
    let stop = async |leader: &Gateway| {
        let told = Instant::now();
        leader.term();
        assert!(leader.wait_exit(PATIENCE).await.success(), "{}", leader.stderr_so_far());
        assert!(!leader.stderr_so_far().contains("could be kept"), "{}", leader.stderr_so_far());
        let exited = told.elapsed();
        holder(&redis, &replicas, 0).await;
        println!("a leader left in {exited:?}, and there was another after {:?}", told.elapsed());
    };
    nothing_is_lost(&redis, &replicas, stop).await;
}

#[tokio::test]
async fn what_redis_did_not_take_is_kept_once_it_is_back() {
    let redis = Redis::builder().aof().start().await;
    let gateway = Gateway::start(&redis).await;
    let mut client = Client::bare(&gateway, "ada").await;
    // It publishes, and takes nothing: what was heard waits when it ends.
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for n in 0..100 {
        // Redis takes no MULTI either now.
        let publish = redis::Cmd::publish(channel("ada"), format!(r#"{{"id":"n{n}"}}"#));
        let _: usize = redis.ask(&publish).await;
    }
    for n in 0..100 {
        assert_eq!(client.next_json().await["id"], format!("n{n}"), "delivery does not wait");
    }
    let refused = [("operation", "capture"), ("result", "away")];
    let name = "campanile_inbox_operations_total";
    gateway.metric_becomes(name, &refused, |count| count > 0.0).await;
    assert!(gateway.metrics().await.value("campanile_capture_queue_items", &[]) >= 100.0);
    redis.kill();
    redis.restart().await;
    gateway.metric_is("campanile_redis_connected", 1.0).await;
    let ids: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
    eventually("all are kept, in order", PATIENCE, async || kept(&gateway, "ada").await == ids)
        .await;
    assert_eq!(count(&gateway, "ada").await, 100);
    gateway.metric_is("campanile_capture_queue_items", 0.0).await;
    let metrics = gateway.metrics().await;
    let new = metrics.value(name, &[("operation", "capture"), ("result", "ok")]);
    assert!((new - 100.0).abs() < 0.5, "{new}");
}

#[tokio::test]
async fn one_log_that_redis_refuses_holds_the_others_up_for_a_while_only() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    redis.cli(&["SET", "campanile:inbox:{bad}:ids", "no hash"]).await;
    let _clients = [Client::bare(&gateway, "bad").await, Client::bare(&gateway, "ada").await];
    redis.publish(&channel("bad"), r#"{"id":"refused"}"#).await;
    let name = "campanile_inbox_operations_total";
    let refused = [("operation", "capture"), ("result", "away")];
    gateway.metric_becomes(name, &refused, |count| count > 0.0).await;
    redis.publish(&channel("ada"), r#"{"id":"behind it"}"#).await;
    eventually("the other is kept", LONG, async || kept(&gateway, "ada").await == ["behind it"])
        .await;
    let dropped = [("operation", "capture"), ("result", "dropped")];
    gateway.metric_becomes(name, &dropped, |count| (count - 1.0).abs() < 0.5).await;
}

#[tokio::test]
async fn without_capture_or_inbox_nobody_listens_by_pattern_and_nothing_is_kept() {
    for (name, value) in [("CAMPANILE_CAPTURE", "false"), ("CAMPANILE_INBOX_SIZE", "0")] {
        let redis = Redis::start().await;
        let gateway = Gateway::builder().redis(&redis).env(name, value).start().await;
        let (mut client, _) = Client::v1(&gateway, "ada", "").await;
        redis.publish(&channel("ada"), r#"{"id":"plain"}"#).await;
        assert_eq!(client.next_of("notification").await["data"]["id"], "plain");
        redis.publish(&channel("grace"), r#"{"id":"plain"}"#).await;
        if name == "CAMPANILE_CAPTURE" {
            let function = async || !redis.cli(&["FUNCTION", "LIST"]).await.is_empty();
            eventually("the function is registered", PATIENCE, function).await;
            redis.cli(&["FCALL", "campanile_notify", "1", "ada", r#"{"id":"last"}"#]).await;
            assert_eq!(client.next_of("notification").await["data"]["id"], "last");
            becomes(&gateway, "ada", &["last"]).await;
            assert_eq!(count(&gateway, "grace").await, 0);
        }
        assert_eq!(redis.cli(&["PUBSUB", "NUMPAT"]).await, "0", "{name}");
        assert_eq!(redis.cli(&["EXISTS", "campanile:inbox:{grace}:ids"]).await, "0", "{name}");
        assert_eq!(redis.cli(&["EXISTS", "campanile:{capture}:0"]).await, "0", "{name}");
    }
}

#[tokio::test]
async fn a_redis_that_allows_no_patterns_is_named_by_check_and_the_rest_works() {
    let rights = "~campanile:* resetchannels &user:* &broadcast:notifications &campanile:* +@all";
    let redis = Redis::builder().user("bell", "ding-dong", rights).start().await;
    let builder = Gateway::builder().redis(&redis);
    let checked = builder.clone().args(&["check"]).run().await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let line = checked.stdout.lines().find(|line| line.contains("may not subscribe by pattern"));
    assert!(line.is_some_and(|line| line.contains("no permissions")), "{checked:?}");
    let off = builder.clone().env("CAMPANILE_CAPTURE", "false").args(&["check"]).run().await;
    assert!(off.status.success(), "{off:?}");

    let gateway = builder.start().await;
    eventually("the log tells why", PATIENCE, async || {
        let log = gateway.stderr_so_far();
        log.contains("not listening to all users") && log.contains("NOPERM")
    })
    .await;
    let mut client = Client::bare(&gateway, "ada").await;
    redis.publish(&channel("ada"), r#"{"id":"online"}"#).await;
    assert_eq!(client.next_json().await["id"], "online");
    becomes(&gateway, "ada", &["online"]).await;
    redis.cli(&["ACL", "SETUSER", "bell", "&user:*:notifications"]).await;
    holder(&redis, std::slice::from_ref(&gateway), 0).await;
    redis.publish(&channel("grace"), r#"{"id":"offline"}"#).await;
    becomes(&gateway, "grace", &["offline"]).await;
}
