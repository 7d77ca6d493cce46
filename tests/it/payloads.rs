//! Plain PUBLISH: what is dropped, what is filled in, and that nobody else notices.

use std::collections::HashMap;

use serde_json::json;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::redis::{Redis, publish as publish_on};

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
