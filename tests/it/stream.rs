//! Server-sent events: what a client that only listens hears, and how it comes back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::sse::{Open, PATH, Stream};
use crate::support::token;
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
    let (stream, _) = Stream::user(&gateway, "42").await;
    let nothing_yet = stream.last_id().to_owned();
    drop(stream);
    notify(&redis, "0").await;
    let open = Open::at(&gateway).user("42").header("Last-Event-ID", &nothing_yet);
    let (mut stream, connected) = Stream::greeted(open).await;
    assert_eq!(connected.data["recovered"], true, "{connected:?}");
    assert_eq!(stream.next_ids(1).await, ["0"]);
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
async fn a_stream_may_follow_other_requests_on_its_connection() {
    let gateway = Gateway::builder().start().await;
    let bearer = token::for_user("42");
    let ask =
        |path| format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\r\n");
    let mut socket = TcpStream::connect(gateway.addr()).await.unwrap();
    let requests = ["/openapi.json", PATH, "/openapi.json"].map(ask).concat();
    socket.write_all(requests.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    let greeted = |read: &[u8]| read.windows(16).any(|part| part == b"event: connected");
    within("the stream begins", PATIENCE, async {
        while !greeted(&read) {
            assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0, "closed");
        }
    })
    .await;
    let text = String::from_utf8(read).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "one answer, then the stream: {text}");
    assert!(text.find("\"openapi\"") < text.find("text/event-stream"));
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
