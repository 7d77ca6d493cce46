//! What a Socket.IO client may use, how it is refused, and how it is sent away.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::engineio::{self, Polling, SUBSCRIBE, SUBSCRIBED, connect, event};
use crate::support::gateway::{Builder, Gateway};
use crate::support::handshake::TokenIn;
use crate::support::notify::notify;
use crate::support::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::token;
use crate::support::wait::{PATIENCE, until};

const CONNECTIONS: &str = "campanile_connections";
const CLOSED: &str = "campanile_connections_closed_total";
const STRANGERS: &str = "campanile_socketio_unauthenticated";

fn with(redis: &Redis, name: &str, value: &str) -> Builder {
    Gateway::builder().redis(redis).env(name, value)
}

async fn closed_for(gateway: &Gateway, reason: &str) {
    gateway.metric_becomes(CLOSED, &[("reason", reason)], |closed| closed > 0.5).await;
}

#[tokio::test]
async fn who_shows_no_valid_token_in_time_is_gone() {
    let redis = Redis::start().await;
    let gateway = with(&redis, "CAMPANILE_SOCKETIO_AUTH_TIMEOUT", "1s").start().await;
    let opened = Instant::now();
    let mut silent = engineio::opened(&gateway).await;
    let mut refused = engineio::connected(&gateway, "nonsense").await;
    let polling = Polling::open(&gateway).await;
    let let_in = engineio::connected(&gateway, &token::for_user("42")).await;
    gateway.metric_is(STRANGERS, 3.0).await;
    assert_eq!(silent.next_close().await.0, 4001);
    assert!(opened.elapsed() >= Duration::from_secs(1), "{:?}", opened.elapsed());
    // It was connected, and would come back for nothing.
    assert_eq!(engineio::next(&mut refused).await, r#"42/ws,["ERROR","no valid token in time"]"#);
    assert_eq!(engineio::next(&mut refused).await, "41/ws,");
    assert_eq!(refused.next_close().await.0, 4001);
    drop((silent, refused));
    // One that polls has nobody to tell, and is gone all the same.
    gateway.metric_is(CONNECTIONS, 1.0).await;
    gateway.metric_is(STRANGERS, 0.0).await;
    let late = polling.get().await;
    assert!(late.status == 400 || late.text() == "6", "{}", late.text());
    assert_eq!(gateway.metrics().await.count(CLOSED, &[("reason", "unauthenticated")]), 3);
    // Who leaves its namespace is a stranger again.
    let mut left = let_in;
    left.send_text("41/ws,").await;
    assert_eq!(left.next_close().await.0, 4001);
}

#[tokio::test]
async fn strangers_are_bounded_and_count_as_connections() {
    let redis = Redis::start().await;
    let gateway = with(&redis, "CAMPANILE_SOCKETIO_MAX_UNAUTHENTICATED", "2").start().await;
    let (first, second) = (engineio::opened(&gateway).await, Polling::open(&gateway).await);
    let refused = Polling::open_with(&gateway, &[]).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!(4)));
    assert!(refused.header("retry-after").is_some());
    let refused = engineio::websocket(&gateway).await.err().unwrap();
    assert_eq!(refused.status, 503);
    let metrics = gateway.metrics().await;
    let of = |reason| metrics.count("campanile_connections_rejected_total", &[("reason", reason)]);
    assert_eq!(of("unauthenticated"), 2);
    // Who shows a token makes room.
    second.send(&connect("/ws", &token::for_user("42"))).await;
    assert!(second.receive().await.starts_with("40/ws,"));
    drop((Polling::open(&gateway).await, first));

    let gateway = with(&redis, "CAMPANILE_MAX_CONNECTIONS", "2").start().await;
    let _first = engineio::subscribed(&gateway, "42").await;
    let _second = engineio::opened(&gateway).await;
    assert_eq!(Polling::open_with(&gateway, &[]).await.status, 503);
    let refused = Client::connect(&gateway, "/ws").user("42").await.err().unwrap();
    assert_eq!(refused.json()["error"]["code"], "full");
}

#[tokio::test]
async fn the_limit_of_a_user_holds_over_all_replicas_and_dialects() {
    let redis = Redis::start().await;
    let start = || with(&redis, "CAMPANILE_MAX_CONNECTIONS_PER_USER", "2").start();
    let (a, b) = (start().await, start().await);
    let _bare = Client::bare(&a, "42").await;
    let _socketio = engineio::subscribed(&b, "42").await;
    let mut third = engineio::connected(&b, &token::for_user("42")).await;
    let (name, text) = event(&engineio::next(&mut third).await);
    assert!(name == "ERROR" && text.as_str().unwrap().contains("2 connections"), "{name} {text}");
    assert_eq!(engineio::next(&mut third).await, "41/ws,");
    assert_eq!(third.next_close().await.0, 4003);
    drop(third);
    b.metric_is(CONNECTIONS, 1.0).await;
}

#[tokio::test]
async fn tokens_come_by_every_carrier() {
    let redis = Redis::start().await;
    let origin = "https://app.example.com";
    let gateway = with(&redis, "CAMPANILE_TOKEN_COOKIE", "session")
        .env("CAMPANILE_ALLOWED_ORIGINS", origin)
        .start()
        .await;
    for place in [TokenIn::Header, TokenIn::Query, TokenIn::Cookie("session".into())] {
        let handshake = engineio::websocket(&gateway).user("42").token_in(place);
        let mut client = handshake.header("Origin", origin).await.unwrap();
        engineio::next(&mut client).await;
        client.send_text("40/ws,").await;
        assert!(engineio::next(&mut client).await.starts_with("40/ws,"));
        client.send_text(SUBSCRIBE).await;
        assert_eq!(engineio::next(&mut client).await, SUBSCRIBED);
    }
    // A page that polls its own host says no Origin with GET, but with POST.
    let cookie = format!("session={}", token::for_user("42"));
    let response = Polling::open_with(&gateway, &[("Cookie", &cookie)]).await;
    let polling = Polling::opened(&gateway, &response);
    let headers = [("Cookie", cookie.as_str()), ("Origin", origin)];
    let post = gateway.http("POST", &polling.path("polling"), &headers, b"40/ws,").await;
    assert_eq!(post.status, 200);
    polling.receive().await;
    polling.send(SUBSCRIBE).await;
    assert_eq!(polling.receive().await, SUBSCRIBED);
}

#[tokio::test]
async fn pages_of_other_hosts_are_answered_with_cors_or_refused() {
    let redis = Redis::start().await;
    let origin = "https://app.example.com";
    let gateway = with(&redis, "CAMPANILE_ALLOWED_ORIGINS", origin).start().await;
    let path = "/socket.io/?EIO=4&transport=polling";
    let ask = async |method, path: &str, origin| {
        let preflight = ("Access-Control-Request-Method", "POST");
        gateway.http(method, path, &[("Origin", origin), preflight], b"").await
    };
    let unknown = format!("{path}&sid=nobody");
    for (method, path, status) in [
        ("GET", path, 200),
        ("GET", unknown.as_str(), 400),
        ("POST", &unknown, 400),
        ("OPTIONS", path, 200),
    ] {
        let response = ask(method, path, origin).await;
        assert_eq!(response.status, status, "{method} {path}");
        assert_eq!(response.header("access-control-allow-origin"), Some(origin), "{method} {path}");
        assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    }
    let refused = ask("GET", path, "https://evil.example.com").await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!(4)));
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let evil = engineio::websocket(&gateway).header("Origin", "https://evil.example.com").await;
    assert_eq!(evil.err().unwrap().status, 403);
}

#[tokio::test]
async fn a_poller_that_does_not_poll_is_closed_when_its_queue_is_full() {
    let redis = Redis::start().await;
    let gateway = with(&redis, "CAMPANILE_SEND_QUEUE", "4").start().await;
    let slow = Polling::subscribed(&gateway, "42").await;
    let quick = Polling::subscribed(&gateway, "43").await;
    for number in 0..6 {
        let payload = format!(r#"{{"id":"{number}"}}"#);
        redis.publish("user:42:notifications", &payload).await;
    }
    let dropped = "campanile_deliveries_dropped_total";
    gateway.metric_becomes(dropped, &[("reason", "too_slow")], |dropped| dropped > 3.5).await;
    slow.is_told_to_come_back().await;
    gateway.metric_is("campanile_send_queue_bytes", 0.0).await;
    closed_for(&gateway, "too_slow").await;
    redis.publish("user:43:notifications", r#"{"id":"heard"}"#).await;
    assert!(quick.receive().await.contains("heard"));
}

#[tokio::test]
async fn who_is_sent_away_is_told_why_and_does_not_come_back() {
    let redis = Redis::start().await;
    let key = "a-key-of-the-tests";
    let gateway = with(&redis, "CAMPANILE_PUBLISH_KEYS", key)
        .env("CAMPANILE_JWT_LEEWAY", "10ms")
        .start()
        .await;
    let mut socket = engineio::subscribed(&gateway, "42").await;
    let polling = Polling::subscribed(&gateway, "42").await;
    let bearer = format!("Bearer {key}");
    let body = br#"{"user_id":"42"}"#;
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(gateway.http("POST", "/api/disconnect", &headers, body).await.status, 200);
    let error = r#"42/ws,["ERROR","disconnected, get a new token"]"#;
    assert_eq!(engineio::next(&mut socket).await, error);
    assert_eq!(engineio::next(&mut socket).await, "41/ws,");
    assert_eq!(socket.next_close().await.0, 4001);
    assert_eq!(polling.receive().await, format!("{error}\u{1e}41/ws,"));
    assert_eq!(polling.receive().await, "1");

    let claims = json!({"sub": "42", "exp": token::seconds_from_now(2)});
    let mut expires = engineio::connected(&gateway, &token::hs256(&claims, token::SECRET)).await;
    assert_eq!(
        engineio::next(&mut expires).await,
        r#"42/ws,["ERROR","token expired, get a new one"]"#
    );
    assert_eq!(engineio::next(&mut expires).await, "41/ws,");
    assert_eq!(expires.next_close().await.0, 4001);
}

#[tokio::test]
async fn a_replica_that_drains_lets_nobody_in_and_its_pollers_go_without_a_verdict() {
    let redis = Redis::start().await;
    let gateway = with(&redis, "CAMPANILE_DRAIN_DELAY", "0s")
        .env("CAMPANILE_DRAIN_WINDOW", "2s")
        .start()
        .await;
    let polling = Polling::subscribed(&gateway, "42").await;
    let mut socket = engineio::subscribed(&gateway, "42").await;
    let mut stranger = engineio::opened(&gateway).await;
    gateway.term();
    let refused = until("new ones are refused", PATIENCE, async || {
        let response = Polling::open_with(&gateway, &[]).await;
        (response.status != 200).then_some(response)
    })
    .await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!(4)));
    polling.is_told_to_come_back().await;
    assert_eq!(socket.next_close().await.0, 1012);
    assert_eq!(stranger.next_close().await.0, 1012);
    drop((socket, stranger));
    assert!(gateway.wait_exit(PATIENCE).await.success());
}

#[tokio::test]
async fn what_was_missed_while_redis_was_away_arrives_when_it_is_back() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    let gateway = Gateway::builder().redis_through(&redis, &proxy).start().await;
    let other = Gateway::start(&redis).await;
    let mut socket = engineio::subscribed(&gateway, "42").await;
    let polling = Polling::subscribed(&gateway, "42").await;
    notify(&redis, "42", &json!({"id": "before"})).await;
    assert_eq!(event(&engineio::next(&mut socket).await).1["id"], "before");
    assert_eq!(event(&engineio::next(&mut socket).await).0, "UNREAD_COUNT");
    let mut polled = polling.receive().await;
    proxy.cut().await;
    gateway.metric_is("campanile_redis_connected", 0.0).await;
    let away = Polling::open_with(&gateway, &[]).await;
    assert_eq!((away.status, &away.json()["code"]), (503, &json!(4)));
    notify(&redis, "42", &json!({"id": "meanwhile", "message": "m"})).await;
    proxy.restore().await;
    let (name, missed) = event(&engineio::next(&mut socket).await);
    assert_eq!((name.as_str(), &missed["id"]), ("NEW_NOTIFICATION", &json!("meanwhile")));
    while !polled.contains("meanwhile") {
        polled = polling.receive().await;
    }
    drop(other);
}

#[tokio::test]
async fn a_poller_and_a_socket_are_told_of_changes_made_elsewhere() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let mut socket = engineio::subscribed(&gateway, "42").await;
    notify(&redis, "42", &json!({"id": 5, "message": "m"})).await;
    assert_eq!(event(&engineio::next(&mut socket).await).1["id"], 5);
    let (name, count) = event(&engineio::next(&mut socket).await);
    assert_eq!((name.as_str(), &count["count"]), ("UNREAD_COUNT", &json!(1)));
    let read = gateway.http_as("42", "POST", "/api/notifications/5/read").await;
    assert_eq!(read.status, 200, "{}", read.text());
    let update = ("NOTIFICATION_UPDATE".into(), json!({"id": "5", "status": "read"}));
    assert_eq!(event(&engineio::next(&mut socket).await), update);
    let (name, count): (String, Value) = event(&engineio::next(&mut socket).await);
    assert_eq!((name.as_str(), &count["count"]), ("UNREAD_COUNT", &json!(0)));
    // Without an acknowledgement, failures are told as Nest tells them.
    socket.send_text(r#"42/ws,["MARK_READ",{"id":"x"}]"#).await;
    let (name, failure) = event(&engineio::next(&mut socket).await);
    assert_eq!((name.as_str(), &failure["code"]), ("exception", &json!("not_found")));
    socket.send_text(r#"42/ws,9["DANCE"]"#).await;
    assert!(
        engineio::next(&mut socket)
            .await
            .starts_with(r#"43/ws,9[{"error":{"code":"unknown_event""#)
    );
}
