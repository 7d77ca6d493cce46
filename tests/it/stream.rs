//! Server-sent events: what a client that only listens hears, and how it comes back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
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

/// A replica on this Redis, with the function that appends to logs.
async fn replica(redis: &Redis) -> Gateway {
    let gateway = Gateway::start(redis).await;
    eventually("the function is there", PATIENCE, async || {
        redis.cli(&["FUNCTION", "LIST"]).await.contains("campanile_notify")
    })
    .await;
    gateway
}

/// Status of the answer to a request of bare bytes.
async fn status(gateway: &Gateway, request: &str) -> u16 {
    let mut socket = TcpStream::connect(gateway.addr()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    Head::read(&mut socket).await.unwrap().status
}

/// Appends to the log of user 42; the cursor.
async fn notify(redis: &Redis, id: &str) -> String {
    let payload = json!({ "id": id }).to_string();
    redis.ask(redis::cmd("FCALL").arg("campanile_notify").arg(1).arg("42").arg(payload)).await
}

async fn closed(gateway: &Gateway, reason: &str) {
    let labels = &[("dialect", "sse"), ("reason", reason)];
    gateway.metric_becomes("campanile_connections_closed_total", labels, |n| n > 0.5).await;
}

#[tokio::test]
async fn a_stream_is_greeted_and_hears_with_cursors_as_ids() {
    let redis = Redis::start().await;
    let gateway = replica(&redis).await;
    let (mut stream, connected) = Stream::user(&gateway, "42").await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(stream.header(name), Some(value), "{name}");
    }
    assert_eq!(stream.header("content-encoding"), None);
    assert_eq!(stream.retry(), Some(1000));
    assert_eq!(connected.data["user_id"], "42");
    assert_eq!(connected.data["unread_count"], 0);
    assert_eq!(connected.data["recovered"], Value::Null);
    assert_eq!(connected.id.as_deref(), connected.data["cursor"].as_str());

    let cursor = notify(&redis, "a").await;
    let event = stream.next().await;
    assert_eq!((event.kind.as_str(), event.id.as_deref()), ("notification", Some(&*cursor)));
    assert_eq!(event.data["notification_id"], "a");
    assert_eq!(event.data["cursor"], *cursor);
    let count = stream.next().await;
    assert_eq!((count.kind.as_str(), &count.data["count"]), ("unread_count", &json!(1)));

    redis.publish("broadcast:notifications", "{\"id\":\"b\",\r\n\"title\":\"x\\ny\"}").await;
    let plain = stream.next().await;
    assert_eq!((plain.id, &plain.data["title"]), (None, &json!("x\ny")));

    gateway.http_as("42", "POST", "/api/notifications/a/read").await;
    let update = stream.next().await;
    assert_eq!(update.kind, "notification_update");
    assert_eq!(update.data, json!({"notification_id": "a", "status": "read"}));
    assert_eq!(stream.next().await.data["count"], 0);

    stream.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_ne!(notify(&redis, "c").await, cursor);
    assert_eq!(stream.next_ids(1).await, ["c"], "what the client says is of no interest");

    assert_eq!(gateway.metrics().await.count("campanile_connections", SSE), 1);
    gateway.metric_becomes("campanile_deliveries_total", SSE, |n| (n - 3.0).abs() < 0.5).await;
    gateway.stats_become(1, 1, PATIENCE).await;
    drop(stream);
    closed(&gateway, "gone").await;
    gateway.stats_become(0, 0, PATIENCE).await;
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_in_order_and_once() {
    let redis = Redis::start().await;
    let gateway = replica(&redis).await;
    let (mut stream, _) = Stream::user(&gateway, "42").await;
    notify(&redis, "0").await;
    stream.next_ids(1).await;
    let seen = stream.last_id().to_owned();
    drop(stream);
    let missed: Vec<_> = (1..=50).map(|n| n.to_string()).collect();
    for id in &missed {
        notify(&redis, id).await;
    }
    // The header is newer than the address, which a browser repeats as it was.
    let open = Open::at(&gateway).user("42").query("?cursor=unread").header("Last-Event-ID", &seen);
    let (mut stream, connected) = Stream::greeted(open).await;
    assert_eq!(connected.data["recovered"], true);
    assert_eq!((&connected.data["replayed"], connected.id), (&json!(50), None));
    notify(&redis, "live").await;
    assert_eq!(stream.next_ids(50).await, missed);
    let live = stream.next_of("notification").await;
    assert_eq!(live.data["notification_id"], "live");
    assert_eq!(stream.last_id(), live.id.unwrap());

    gateway.http_as("42", "POST", "/api/notifications/read_all").await;
    for id in ["x", "y"] {
        notify(&redis, id).await;
    }
    let unread = Open::at(&gateway).user("42").query("?cursor=unread");
    let (mut stream, connected) = Stream::greeted(unread).await;
    assert_eq!(connected.data["replayed"], 2);
    assert_eq!(stream.next_ids(2).await, ["x", "y"]);

    let never = Open::at(&gateway).user("42").header("Last-Event-ID", "999-1");
    let (_stream, connected) = Stream::greeted(never).await;
    assert_eq!(connected.data["recovered"], false);
}

#[tokio::test]
async fn what_is_published_the_moment_a_stream_opens_is_never_missed() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    for n in 0..200 {
        let user = n.to_string();
        let mut stream = Open::at(&gateway).user(&user).await.unwrap_or_else(|it| panic!("{it:?}"));
        let channel = format!("user:{user}:notifications");
        assert_eq!(redis.publish(&channel, r#"{"id":"first"}"#).await, 1);
        assert_eq!(stream.next_ids(1).await, ["first"]);
    }
}

#[tokio::test]
async fn a_silent_stream_gets_a_comment_every_15_seconds() {
    let gateway = Gateway::builder().start().await;
    let (mut stream, _) = Stream::user(&gateway, "42").await;
    let opened = Instant::now();
    stream.next_comment(Duration::from_secs(15) + PATIENCE).await;
    let (first, heard) = (opened.elapsed(), Instant::now());
    stream.next_comment(Duration::from_secs(15) + PATIENCE).await;
    println!("a comment {first:?} after the opening, the next {:?} later", heard.elapsed());
    assert!(heard.elapsed() > Duration::from_secs(14), "{:?}", heard.elapsed());
    assert_eq!(stream.comments(), 2);
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

#[tokio::test]
async fn a_stream_goes_on_at_another_replica_when_its_own_is_killed() {
    let redis = Redis::start().await;
    let (dies, stays) = tokio::join!(replica(&redis), replica(&redis));
    let (mut stream, _) = Stream::user(&dies, "42").await;
    notify(&redis, "0").await;
    notify(&redis, "1").await;
    assert_eq!(stream.next_ids(2).await, ["0", "1"]);
    dies.kill();
    let (_, whole) = stream.end().await;
    assert!(!whole, "nobody ended the body");
    for id in ["2", "3"] {
        notify(&redis, id).await;
    }
    let open = Open::at(&stays).user("42").header("Last-Event-ID", stream.last_id());
    let (mut stream, connected) = Stream::greeted(open).await;
    assert_eq!(connected.data["recovered"], true);
    notify(&redis, "4").await;
    assert_eq!(stream.next_ids(3).await, ["2", "3", "4"]);
}
