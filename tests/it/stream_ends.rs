//! How streams are refused and how they end: told why, whole, and without holding on to anything.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Head;
use crate::support::redis::Redis;
use crate::support::refusal::{assert_counted, assert_refusal};
use crate::support::sse::{Open, PATH, Stream};
use crate::support::token::{self, seconds_from_now};
use crate::support::wait::{PATIENCE, eventually, within};

const SSE: &[(&str, &str)] = &[("dialect", "sse")];

/// Status of the answer to a request of bare bytes.
async fn status(gateway: &Gateway, request: &str) -> u16 {
    let mut socket = TcpStream::connect(gateway.addr()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    Head::read(&mut socket).await.unwrap().status
}

async fn closed(gateway: &Gateway, reason: &str) {
    let labels = &[("dialect", "sse"), ("reason", reason)];
    gateway.metric_becomes("campanile_connections_closed_total", labels, |n| n > 0.5).await;
}

#[tokio::test]
async fn a_drain_tells_every_stream_why_and_when_to_return() {
    const STREAMS: u32 = 40;
    let redis = Redis::start().await;
    let window = Duration::from_secs(2);
    let gateway = Gateway::builder()
        .redis(&redis)
        .env("CAMPANILE_DRAIN_DELAY", "0s")
        .env("CAMPANILE_DRAIN_WINDOW", "2s")
        .start()
        .await;
    let mut readers = tokio::task::JoinSet::new();
    for n in 0..STREAMS {
        let (mut stream, _) = Stream::user(&gateway, &n.to_string()).await;
        readers.spawn(async move {
            let (events, whole) = stream.end().await;
            (Instant::now(), events, whole, stream.retry())
        });
    }
    gateway.term();
    let mut ends = Vec::new();
    let mut retries = Vec::new();
    while let Some(ended) = readers.join_next().await {
        let (at, events, whole, retry) = ended.unwrap();
        assert!(whole, "the body ended in the middle");
        let close = events.last().unwrap();
        let said = json!({"code": 1012, "reason": "restarting, reconnect", "reconnect": true});
        assert_eq!((close.kind.as_str(), &close.data), ("close", &said));
        ends.push(at);
        retries.push(retry.unwrap());
    }
    assert!(retries.iter().all(|&retry| retry < 1000), "{retries:?}");
    let spread = *ends.iter().max().unwrap() - *ends.iter().min().unwrap();
    println!("{STREAMS} streams ended within {spread:?} of a window of {window:?}");
    assert!(spread > window / 2, "{spread:?}");
    assert!(gateway.wait_exit(PATIENCE).await.success());
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_on_request() {
    let gateway = Gateway::builder()
        .env("CAMPANILE_PUBLISH_KEYS", "a-publish-key-for-streams")
        .env("CAMPANILE_JWT_LEEWAY", "0s")
        .start()
        .await;
    let claims = json!({ "sub": "42", "exp": seconds_from_now(3) });
    let bearer = format!("Bearer {}", token::hs256(&claims, token::SECRET));
    let (mut expiring, _) =
        Stream::greeted(Open::at(&gateway).header("Authorization", &bearer)).await;
    assert_eq!(expiring.next().await.kind, "token_expiring");
    let (events, whole) = expiring.end().await;
    assert_eq!(
        (&events[0].data["code"], &events[0].data["reconnect"]),
        (&json!(4001), &json!(false))
    );
    assert!(whole);
    closed(&gateway, "token_expired").await;

    let (mut disconnected, _) = Stream::user(&gateway, "42").await;
    let key: &[_] = &[("Authorization", "Bearer a-publish-key-for-streams")];
    let presence = gateway.http("GET", "/api/users/42/presence", key, b"").await;
    assert_eq!(presence.json()["data"]["connections"], 1);
    let answer = gateway.http("POST", "/api/disconnect", key, br#"{"user_id":"42"}"#).await;
    assert_eq!(answer.status, 200);
    let (events, whole) = disconnected.end().await;
    assert_eq!((events[0].kind.as_str(), &events[0].data["code"]), ("close", &json!(4001)));
    assert!(whole);
    closed(&gateway, "revoked").await;
}

#[tokio::test]
async fn who_may_not_listen_is_told_so_in_json_and_counted() {
    let gateway = Gateway::builder()
        .env("CAMPANILE_MAX_CONNECTIONS_PER_USER", "1")
        .env("CAMPANILE_TOKEN_COOKIE", "session")
        .start()
        .await;
    let open = || Open::at(&gateway);
    let (_stream, _) =
        Stream::greeted(open().query(&format!("?token={}", token::for_user("42")))).await;
    let cookie = format!("session={}", token::for_user("grace"));
    let expired = token::hs256(&json!({ "sub": "42", "exp": 1 }), token::SECRET);
    for (name, open, status, code) in [
        ("no token", open(), 401, "token_missing"),
        ("expired", open().query(&format!("?token={expired}")), 401, "token_expired"),
        (
            "origin",
            open().user("ada").header("Origin", "https://evil.org"),
            403,
            "origin_not_allowed",
        ),
        ("cookie", open().header("Cookie", &cookie), 403, "origin_required"),
        ("cursor", open().user("ada").query("?cursor=x"), 400, "bad_cursor"),
        ("limit", open().user("42"), 429, "user_limit"),
    ] {
        let Err(refused) = open.await else { panic!("{name} was let in") };
        assert_refusal(name, &refused, status, code);
    }
    let reasons = [
        "token_missing",
        "token_expired",
        "origin_not_allowed",
        "origin_required",
        "bad_cursor",
        "user_limit",
    ];
    assert_counted(&gateway, &reasons.map(|reason| (reason, 1)).into_iter().collect()).await;

    let origin = format!("http://{}", gateway.addr());
    let same = open().header("Cookie", &cookie).header("Origin", &origin);
    let (stream, _) = Stream::greeted(same).await;
    assert_eq!(stream.header("access-control-allow-origin"), Some(&*origin));
    let ask: &[_] = &[
        ("Origin", &*origin),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization,last-event-id"),
    ];
    assert_eq!(gateway.http("OPTIONS", PATH, ask, b"").await.status, 200);
    let token = token::for_user("ada");
    for (line, expected) in [
        (format!("GET {PATH}?token={token} HTTP/1.0"), 505),
        (format!("HEAD {PATH}?token={token} HTTP/1.1"), 404),
        (format!("POST {PATH}?token={token} HTTP/1.1"), 404),
    ] {
        let request = format!("{line}\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(status(&gateway, &request).await, expected, "{line}");
    }
}

#[tokio::test]
async fn a_replica_that_is_full_too_fast_draining_or_without_redis_refuses_streams_too() {
    let full = Gateway::builder().env("CAMPANILE_MAX_CONNECTIONS", "1").start().await;
    let _one = Client::bare(&full, "42").await;
    let refused = Open::at(&full).user("42").await.err().unwrap();
    assert_refusal("full", &refused, 503, "full");

    let fast = Gateway::builder().env("CAMPANILE_CONNECTIONS_PER_IP_PER_SECOND", "1").start().await;
    within("too fast", PATIENCE, async {
        while let Ok(_stream) = Open::at(&fast).user("42").await {}
    })
    .await;
    assert!(
        fast.metrics()
            .await
            .value("campanile_connections_rejected_total", &[("reason", "ip_rate")])
            > 0.5
    );

    let redis = Redis::start().await;
    let gateway = Gateway::builder()
        .redis(&redis)
        .env("CAMPANILE_DRAIN_DELAY", "0s")
        .env("CAMPANILE_DRAIN_WINDOW", "2s")
        .start()
        .await;
    let (_open, _) = Stream::user(&gateway, "42").await;
    redis.stop().await;
    gateway.metric_becomes("campanile_redis_connected", &[], |value| value < 0.5).await;
    let refused = Open::at(&gateway).user("42").await.err().unwrap();
    assert_refusal("Redis away", &refused, 503, "redis_away");
    gateway.term();
    eventually("the replica drains", PATIENCE, async || {
        let refused = Open::at(&gateway).user("42").await.err().unwrap();
        refused.json()["error"]["code"] == "draining"
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_closed_and_costs_no_more_than_its_quota() {
    const MB: u64 = 1 << 20;
    let redis = Redis::start().await;
    let payload = json!({ "message": "x".repeat(30_000) }).to_string();
    for (reason, queue) in [("too_slow", "256KiB"), ("write_timeout", "16MiB")] {
        let gateway = Gateway::builder()
            .redis(&redis)
            .env("CAMPANILE_WRITE_TIMEOUT", "3s")
            .env("CAMPANILE_SEND_QUEUE_BYTES", queue)
            .start()
            .await;
        let open = Open::at(&gateway).user("42").receive_buffer(4096);
        let (mut stalled, _) = Stream::greeted(open).await;
        let (mut reads, _) = Stream::user(&gateway, "42").await;
        let before = gateway.resident_bytes();
        let started = Instant::now();
        for _ in 0..100 {
            redis.publish("user:42:notifications", &payload).await;
            reads.next_of("notification").await;
        }
        closed(&gateway, reason).await;
        let grown = gateway.resident_bytes().saturating_sub(before);
        println!(
            "{reason}: closed {:?} after the first; grown by {} KiB",
            started.elapsed(),
            grown / 1024
        );
        assert!(grown < 12 * MB, "grown by {grown} bytes");
        assert!(stalled.is_closed_within(PATIENCE).await);
        gateway.metric_is("campanile_send_queue_bytes", 0.0).await;
        assert_eq!(gateway.metrics().await.count("campanile_connections", SSE), 1);
    }
}

#[tokio::test]
async fn a_reader_that_was_too_slow_is_told_so_when_it_reads_again() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let open = Open::at(&gateway).user("42").receive_buffer(65_536);
    let (mut stream, _) = Stream::greeted(open).await;
    let payload = json!({ "message": "x".repeat(60_000) }).to_string();
    let dropped = &[("reason", "too_slow")];
    within("the outbox overflows", PATIENCE, async {
        while gateway.metrics().await.value("campanile_deliveries_dropped_total", dropped) < 0.5 {
            redis.publish("user:42:notifications", &payload).await;
        }
    })
    .await;
    let (events, whole) = stream.end().await;
    assert_eq!(events.last().unwrap().data["code"], 4008);
    assert!(whole);
}
