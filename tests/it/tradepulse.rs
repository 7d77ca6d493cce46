//! `TradePulse` on Campanile: its clients, its messages, its statistics, behind a load balancer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::gateway::{Builder, Gateway};
use crate::support::haproxy::{Balance, HaProxy};
use crate::support::http;
use crate::support::redis::Redis;
use crate::support::script::Script;
use crate::support::token;
use crate::support::wait::{PATIENCE, until};

const USER: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
const CHANNEL: &str = "user:1b4e28ba-2fa1-11d2-883f-0016d3cca427:notifications";
/// In place of five seconds.
const INTERVAL: &str = "200";
const ORIGIN: &str = "https://tradepulse.example";

fn replica(redis: &Redis) -> Builder {
    Gateway::builder()
        .redis(redis)
        .env("CAMPANILE_ALLOWED_ORIGINS", ORIGIN)
        .env("CAMPANILE_DRAIN_DELAY", "1s")
        .env("CAMPANILE_DRAIN_WINDOW", "1s")
}

/// Two replicas and what is in front of them.
async fn system(redis: &Redis) -> ([Gateway; 2], HaProxy) {
    let replicas = [replica(redis).start().await, replica(redis).start().await];
    let front = HaProxy::start(Balance::RoundRobin, &[&replicas[0], &replicas[1]]).await;
    (replicas, front)
}

/// A page that is open.
async fn page(front: &HaProxy) -> Script {
    let arguments = [&front.ws_url("/api/ws"), &token::for_user(USER), INTERVAL, ORIGIN];
    let mut page = Script::node("tradepulse.mjs", &arguments);
    page.next_of("open").await;
    page
}

async fn state(page: &mut Script) -> Value {
    page.tell(&json!({"state": true}));
    page.next_of("state").await
}

/// As the notification bus of `TradePulse` writes it.
fn message(number: usize, kind: &str, title: &str, text: &str) -> String {
    format!(
        r#"{{"id":"0198b7a0-0000-7000-8000-{number:012}","type":"{kind}","user_id":"{USER}","title":"{title}","message":"{text}","data":{{"trade_id":"0198b7a0-0000-7000-9000-{number:012}","symbol":"AAPL","pnl":125.50,"none":null}},"timestamp":"2024-01-20T15:30:00Z"}}"#
    )
}

const TYPES: [(&str, &str, &str); 9] = [
    ("trade.created", "Trade Created", "Successfully created trade for AAPL"),
    ("trade.updated", "Trade Updated", "Trade for AAPL is 5 % up — well done"),
    ("trade.deleted", "Trade Deleted", "Deleted <b>AAPL</b>"),
    ("journal.created", "Journal Entry", "New entry"),
    ("journal.updated", "Journal Entry", "Entry changed"),
    ("csv.import", "Import Completed", "120 trades imported \\u2713"),
    ("error", "Error", "Line 7: \\\"pnl\\\" is no number"),
    ("info", "Info", "Märkte schließen um 22 Uhr 🔔"),
    ("success", "Success", "Saved"),
];

#[tokio::test]
async fn each_of_its_types_reaches_every_page_of_the_user_as_it_was_published() {
    let redis = Redis::start().await;
    let (replicas, front) = system(&redis).await;
    let mut pages = [page(&front).await, page(&front).await];
    // The tool that its manual has people look with.
    let url = format!("{}?token={}", front.ws_url("/api/ws"), token::for_user(USER));
    let mut wscat =
        Script::node("node_modules/wscat/bin/wscat", &["-c", &url, "-o", ORIGIN, "--no-color"]);
    for replica in &replicas {
        replica.metric_becomes("campanile_connections", &[], |sockets| sockets > 0.5).await;
    }
    replicas[0].stats_become(1, 3, PATIENCE).await;

    let published: Vec<String> = TYPES
        .iter()
        .enumerate()
        .map(|(number, (kind, title, text))| message(number, kind, title, text))
        .collect();
    for message in &published {
        assert_eq!(redis.publish(CHANNEL, message).await, 2, "both replicas");
    }
    for message in &published {
        for page in &mut pages {
            assert_eq!(page.next_of("notification").await["text"], **message);
        }
        assert_eq!(wscat.next().await, serde_json::from_str::<Value>(message).unwrap());
    }

    pages[0].tell(&json!({"markAsRead": "0198b7a0-0000-7000-8000-000000000003"}));
    let seen = state(&mut pages[0]).await;
    assert_eq!((&seen["stored"], &seen["unread"]), (&json!(9), &json!(8)));
    for number in 9..60 {
        redis.publish(CHANNEL, &message(number, "info", "Info", "more")).await;
    }
    let newest = "0198b7a0-0000-7000-8000-000000000059";
    for page in &mut pages {
        while page.next_of("notification").await["text"] != message(59, "info", "Info", "more") {}
        let seen = state(page).await;
        assert_eq!((&seen["stored"], &seen["newest"]), (&json!(50), &json!(newest)));
    }
}

#[tokio::test]
async fn what_pages_say_is_ignored_up_to_512_bytes_and_beyond_ends_the_socket() {
    let redis = Redis::start().await;
    let (_replicas, front) = system(&redis).await;
    let mut page = page(&front).await;
    for text in ["{\"type\":\"ping\"}", "not JSON", &"x".repeat(512)] {
        page.tell(&json!({ "send": text }));
    }
    redis.publish(CHANNEL, &message(1, "info", "Info", "still here")).await;
    assert_eq!(page.next().await["event"], "notification", "and nothing before it");
    page.tell(&json!({ "send": "x".repeat(513) }));
    assert_eq!(page.next_of("closed").await["code"], 1009);
    page.next_of("open").await;
    redis.publish(CHANNEL, &message(2, "info", "Info", "back")).await;
    assert_eq!(page.next_of("notification").await["text"], message(2, "info", "Info", "back"));
    page.tell(&json!({ "disconnect": true }));
    assert_eq!(page.next_of("closed").await["code"], 1000);
}

#[tokio::test]
async fn pages_of_strangers_and_without_a_token_are_refused_and_pings_answered() {
    let redis = Redis::start().await;
    let replica = replica(&redis)
        .env("CAMPANILE_PING_INTERVAL", "200ms")
        .env("CAMPANILE_PONG_TIMEOUT", "2s")
        .start()
        .await;
    let front = HaProxy::start(Balance::RoundRobin, &[&replica]).await;
    let good = token::for_user(USER);
    for (token, origin, status) in
        [(&*good, "https://elsewhere.example", 403), ("no-token", ORIGIN, 401), ("", ORIGIN, 401)]
    {
        let arguments = [&front.ws_url("/api/ws"), token, INTERVAL, origin];
        let mut page = Script::node("tradepulse.mjs", &arguments);
        for _ in 0..2 {
            assert_eq!(page.next_of("refused").await["status"], status, "{origin}");
            page.next_of("closed").await;
        }
    }
    let mut page = page(&front).await;
    // Past the time after which a page that does not answer counts as dead.
    for _ in 0..15 {
        assert_eq!(page.next().await["event"], "ping");
    }
    assert_eq!(state(&mut page).await["connected"], true);
}

#[tokio::test]
async fn the_statistics_have_the_shape_that_its_monitoring_reads() {
    let redis = Redis::start().await;
    let (replicas, front) = system(&redis).await;
    let _pages = [page(&front).await, page(&front).await, page(&front).await];
    for replica in &replicas {
        replica.stats_become(1, 3, PATIENCE).await;
    }
    let bearer = format!("Bearer {}", token::for_user("somebody"));
    for _ in &replicas {
        let headers = [("Authorization", &*bearer)];
        let path = "/api/notifications/stats";
        let answer = http::request(front.address(), "GET", path, &headers, b"").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let mut answer = answer.json();
        let timestamp = answer["data"].as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        assert_eq!(
            answer,
            json!({"success": true, "data": {"total_users": 1, "total_clients": 3}})
        );
    }
}

#[tokio::test]
async fn when_a_replica_is_stopped_its_pages_go_to_the_other_and_go_on() {
    let redis = Redis::start().await;
    let ([stops, stays], front) = system(&redis).await;
    let mut pages = [page(&front).await, page(&front).await, page(&front).await];
    stops.metric_becomes("campanile_connections", &[], |sockets| sockets > 0.5).await;
    redis.publish(CHANNEL, &message(1, "info", "Info", "before")).await;
    stops.term();
    assert!(stops.wait_exit(Duration::from_secs(30)).await.success());
    stays.stats_become(1, 3, 3 * PATIENCE).await;
    let after = message(2, "trade.created", "Trade Created", "after");
    redis.publish(CHANNEL, &after).await;
    let mut codes = Vec::new();
    for page in &mut pages {
        until("the notification after it", PATIENCE, async || {
            let line = page.next().await;
            if line["event"] == "closed" {
                codes.push(line["code"].clone());
            }
            (line["text"] == after).then_some(())
        })
        .await;
        let seen = state(page).await;
        assert_eq!((&seen["connected"], &seen["stored"]), (&json!(true), &json!(2)), "both");
    }
    assert!(codes.contains(&json!(1012)), "they were told that it restarts: {codes:?}");
}
