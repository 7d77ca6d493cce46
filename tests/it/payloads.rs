//! Plain PUBLISH: what is dropped, what is filled in, and that nobody else notices.

use std::collections::HashMap;

use fastrand::Rng;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::redis::{Redis, publish as publish_on};
use crate::support::seed;

const INVALID: &str = "campanile_notifications_invalid_total";
const RECEIVED: &str = "campanile_notifications_received_total";

async fn publish(redis: &Redis, channel: &str, payload: &[u8]) -> usize {
    publish_on(&mut redis.connection().await, channel, payload).await
}

fn channel(user: &str) -> String {
    format!("user:{user}:notifications")
}

#[tokio::test]
async fn an_invalid_payload_is_dropped_and_counted_and_the_next_valid_one_arrives() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let mut ada = Client::bare(&gateway, "ada").await;
    let mut grace = Client::user(&gateway, "grace").await;
    let large = |bytes: usize| format!(r#"{{"message":"{}"}}"#, "x".repeat(bytes)).into_bytes();
    let mut counts = HashMap::<&str, usize>::new();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".into(), "not_an_object"),
        (b"plain text".into(), "not_an_object"),
        (b"[]".into(), "not_an_object"),
        (b"null".into(), "not_an_object"),
        (b"\"text\"".into(), "not_an_object"),
        (b"{\"title\":\"cut".into(), "not_an_object"),
        (b"{} {}".into(), "not_an_object"),
        (b"{\"title\":\"\xff\xfe\"}".into(), "not_an_object"),
        (b"{'title':'quotes'}".into(), "not_an_object"),
        (large(65_536), "too_large"),
        (large(1_500_000), "too_large"),
        (large(20_000_000), "too_large"),
        (br#"{"user_id":"grace"}"#.into(), "wrong_user"),
        (br#"{"userId":"grace"}"#.into(), "wrong_user"),
        (br#"{"user_id":"ada","userId":"grace"}"#.into(), "wrong_user"),
        (br#"{"user_id":42}"#.into(), "wrong_user"),
        (br#"{"us\u0065r_id":"grace"}"#.into(), "wrong_user"),
    ];
    for (n, (payload, reason)) in cases.iter().enumerate() {
        assert_eq!(publish(&redis, &channel("ada"), payload).await, 1);
        publish(&redis, &channel("ada"), format!(r#"{{"id":{n}}}"#).as_bytes()).await;
        assert_eq!(ada.next_json().await["id"], n, "after {reason}");
        *counts.entry(reason).or_default() += 1;
    }
    publish(&redis, "broadcast:notifications", br#"{"user_id":"ada"}"#).await;
    *counts.entry("wrong_user").or_default() += 1;
    // No socket can have these users, so nobody is subscribed to their channels.
    for user in ["", "a\u{1}b", "a\nb", &"x".repeat(257)] {
        assert_eq!(publish(&redis, &channel(user), b"{}").await, 0, "{user:?}");
    }
    publish(&redis, &channel("grace"), br#"{"id":"marker"}"#).await;
    assert_eq!(grace.next_json().await["data"]["id"], "marker");
    // A payload that just fits.
    let fits = large(65_536 - r#"{"message":""}"#.len());
    publish(&redis, &channel("ada"), &fits).await;
    assert_eq!(ada.next_json().await["message"].as_str().unwrap().len(), fits.len() - 14);

    let metrics = gateway.metrics().await;
    for (reason, count) in &counts {
        let labels = [("source", "pubsub"), ("reason", *reason)];
        assert_eq!(metrics.count(INVALID, &labels), *count, "{reason}");
    }
    assert_eq!(metrics.count(RECEIVED, &[("source", "pubsub")]), cases.len() + 2);
    assert!(!gateway.stderr_so_far().contains("plain text"), "payloads are not logged");
}

#[tokio::test]
async fn what_is_missing_is_filled_in_the_same_on_every_replica_and_aliases_are_understood() {
    let redis = Redis::start().await;
    let replicas = [Gateway::start(&redis).await, Gateway::start(&redis).await];
    let mut envelope = Client::user(&replicas[0], "42").await;
    let mut bare = Client::bare(&replicas[0], "42").await;
    let mut elsewhere = Client::bare(&replicas[1], "42").await;
    let at = "2026-01-02T03:04:05Z";
    for (payload, expected) in [
        (json!({}), json!({ "type": "info", "user_id": "42" })),
        (
            json!({ "id": 7, "type": "order", "timestamp": at, "user_id": "42", "title": "t" }),
            json!({ "id": 7, "type": "order", "timestamp": at, "user_id": "42", "title": "t" }),
        ),
        (json!({ "user_id": 42 }), json!({ "type": "info", "user_id": 42 })),
        (
            json!({ "userId": "42", "notificationId": "a", "eventType": "e", "sentAt": at }),
            json!({ "id": "a", "type": "e", "timestamp": at, "user_id": "42" }),
        ),
        (
            json!({ "notification_id": 9, "notification_type": "n" }),
            json!({ "id": 9, "type": "n", "user_id": "42" }),
        ),
        (
            json!({ "id": null, "type": null, "timestamp": null, "user_id": null }),
            json!({ "type": "info", "user_id": "42" }),
        ),
        (
            json!({ "data": { "deep": [1, 2.50, { "é": "ü" }] }, "user_email": "a@b.c", "x": null }),
            json!({ "data": { "deep": [1, 2.5, { "é": "ü" }] }, "user_email": "a@b.c", "x": null }),
        ),
    ] {
        assert_eq!(publish(&redis, &channel("42"), payload.to_string().as_bytes()).await, 2);
        let [frame, plain, other] =
            [envelope.next_json().await, bare.next_json().await, elsewhere.next_json().await];
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&plain[name], value, "{name} of {plain}");
            assert_eq!(&frame["data"][name], value, "{name} of {frame}");
        }
        for name in payload.as_object().unwrap().keys() {
            assert!(plain.get(name).is_some(), "{name} of {plain}");
        }
        let timestamp = plain["timestamp"].as_str().unwrap();
        assert!(timestamp.parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        assert_eq!(plain["id"], other["id"], "replicas agree");
        assert_eq!(frame["type"], "notification");
        let id = plain["id"].as_str().map_or(plain["id"].to_string(), str::to_owned);
        assert_eq!(frame["data"]["notification_id"], id, "text, whatever the id is");
        assert_eq!(frame["data"]["notification_type"], plain["type"]);
    }
    // Twice the same text is twice the same id; on another channel it is another.
    let mut ids = Vec::new();
    for channel in [channel("42"), channel("42"), "broadcast:notifications".into()] {
        publish(&redis, &channel, br#"{"title":"same"}"#).await;
        ids.push(bare.next_json().await["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    assert_eq!(ids[0].as_str().map(str::len), Some(36));
}

/// What must hold for any delivered frame, whatever was published.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: HashMap<String, &'a RawValue>,
}

fn value(rng: &mut Rng, depth: u8) -> Value {
    match rng.u8(..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(..)),
        3 => json!(rng.f64() * 1e9),
        4 => json!((0..rng.usize(..12)).map(|_| rng.char(..)).collect::<String>()),
        5 => (0..rng.usize(..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => object(rng, depth - 1),
    }
}

fn object(rng: &mut Rng, depth: u8) -> Value {
    const NAMES: [&str; 16] = [
        "id",
        "type",
        "title",
        "message",
        "data",
        "timestamp",
        "user_id",
        "user_email",
        "userId",
        "notificationId",
        "notification_id",
        "notification_type",
        "eventType",
        "sentAt",
        "x",
        "",
    ];
    let users = [json!("fuzz"), json!("grace"), json!(null), json!("")];
    let fields = (0..rng.usize(..8)).map(|_| {
        let name = *rng.choice(NAMES.iter()).unwrap();
        let is_user = name == "user_id" || name == "userId";
        let value = if is_user && rng.u8(..4) > 0 {
            rng.choice(&users).unwrap().clone()
        } else {
            value(rng, depth)
        };
        (name.to_owned(), value)
    });
    Value::Object(fields.collect())
}

/// Flips, cuts, doubles or inserts bytes, or none.
fn mutate(rng: &mut Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.usize(..4) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(..4) {
            0 if at < bytes.len() => bytes[at] = rng.u8(..),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, *rng.choice(br#"{}[]":,\u0"#).unwrap()),
            _ => {
                let tail = bytes.split_off(at);
                bytes.extend_from_slice(&tail);
                bytes.extend_from_slice(&tail);
            }
        }
    }
    bytes
}

#[tokio::test]
async fn no_payload_whatsoever_harms_the_gateway_or_reaches_anybody_else() {
    const ROUNDS: usize = 40;
    const PER_ROUND: usize = 100;
    let mut rng = seed::rng();
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let mut fuzz = Client::user(&gateway, "fuzz").await;
    let mut grace = Client::bare(&gateway, "grace").await;
    let mut connection = redis.connection().await;
    let (mut published, mut delivered) = (0, 0);
    for round in 0..ROUNDS {
        let mut pipeline = redis::pipe();
        for _ in 0..PER_ROUND {
            let payload = object(&mut rng, 3).to_string().into_bytes();
            let payload = mutate(&mut rng, payload);
            pipeline.cmd("PUBLISH").arg(channel("fuzz")).arg(payload).ignore();
        }
        if round == 0 {
            let deep = format!(r#"{{"data":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
            pipeline.cmd("PUBLISH").arg(channel("fuzz")).arg(deep).ignore();
            published += 1;
        }
        let marker = format!("marker-{round}");
        pipeline.cmd("PUBLISH").arg(channel("fuzz")).arg(json!({ "id": marker }).to_string());
        pipeline.query_async::<()>(&mut connection).await.unwrap();
        published += PER_ROUND + 1;
        loop {
            let text = fuzz.next_text().await;
            delivered += 1;
            let frame: Frame<'_> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
            assert_eq!(frame.kind, "notification", "{text}");
            for name in ["id", "type", "timestamp", "notification_id", "notification_type"] {
                assert!(frame.data.contains_key(name), "{name} in {text}");
            }
            assert_eq!(frame.data["user_id"].get(), "\"fuzz\"", "{text}");
            if frame.data["id"].get() == format!("\"{marker}\"") {
                break;
            }
        }
    }
    publish(&redis, &channel("grace"), br#"{"id":"only this"}"#).await;
    assert_eq!(grace.next_json().await["id"], "only this");
    let metrics = gateway.metrics().await;
    let of = |name| metrics.count(name, &[("source", "pubsub")]);
    let (received, invalid) = (of(RECEIVED), of(INVALID));
    eprintln!("{published} published, {delivered} delivered, {invalid} invalid");
    assert_eq!(received + invalid, published + 1);
    assert_eq!(received, delivered + 1);
    assert!(invalid > published / 10 && delivered > published / 10, "the mix is worth it");
    assert!(!gateway.stderr_so_far().contains("panicked"), "{}", gateway.stderr_so_far());
}
