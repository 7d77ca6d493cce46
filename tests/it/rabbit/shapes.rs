//! What messages may look like, and which of them are one.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use super::{consuming, inbox, inbox_of, serving, taken, texts};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::rabbit::{Rabbit, queue};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually};

#[tokio::test]
async fn every_shape_of_message_reaches_an_open_socket_and_the_inbox() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let gateway = serving(&redis, &rabbit, &queue).start().await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    let mut client = Client::user(&gateway, "42").await;
    let mut other = Client::user(&gateway, "43").await;
    let ulens = json!({
        "userId": "42", "userEmail": "ada@example.com", "eventType": "notification.subscription",
        "message": "Paid", "scheduledAt": null, "notificationId": 7,
        "sentAt": "2026-01-02T03:04:05.678Z", "readAt": null,
    });
    let shapes = [
        json!({
            "id": "trade", "type": "trade.created", "user_id": "42", "title": "Trade Created",
            "message": "AAPL", "data": {"pnl": 125.50}, "timestamp": "2024-01-20T15:30:00Z",
        }),
        ulens.clone(),
        json!({"pattern": "notification.subscription", "data": {"userId": "42", "notificationId": 8}}),
        json!({
            "user_id": "42", "title": "New message from John", "message": "John: Hello",
            "notification_type": "new_message", "notification_id": "room-1", "room_id": "r",
        }),
        json!({"recipient_id": "42", "id": "to-a-recipient"}),
        json!({"user_ids": ["42", "43"], "id": "two"}),
        json!({"broadcast": true, "id": "all"}),
    ];
    let ids = ["trade", "7", "8", "room-1", "to-a-recipient", "two", "all"];
    for (shape, id) in shapes.iter().zip(ids) {
        publisher.publish(&queue, &shape.to_string()).await;
        let frame = client.next_of("notification").await;
        let found = &frame["data"]["notification_id"];
        assert_eq!(found.to_string().trim_matches('"'), id, "{frame}");
        match id {
            "trade" => assert_eq!(frame["data"]["data"]["pnl"], json!(125.50)),
            "7" => {
                assert_eq!(frame["data"]["message"], "Paid");
                assert_eq!(frame["data"]["userEmail"], "ada@example.com");
                assert_eq!(frame["data"]["timestamp"], "2026-01-02T03:04:05.678Z");
            }
            "room-1" => assert_eq!(frame["data"]["notification_type"], "new_message"),
            _ => {}
        }
        if id != "all" {
            assert_eq!(frame["data"]["user_id"], "42", "{frame}");
            assert!(frame["data"]["cursor"].is_string(), "{frame}");
        }
    }
    for id in ["two", "all"] {
        assert_eq!(other.next_of("notification").await["data"]["id"], id);
    }
    assert_eq!(inbox(&gateway, "42").await.len(), 6, "what is for everyone is in nobody's");
    eventually("all are acknowledged", PATIENCE, async || taken(&gateway, "acked").await == 7)
        .await;
    let metrics = gateway.metrics().await;
    let source = [("source", "amqp")];
    assert_eq!(metrics.count("campanile_notifications_received_total", &source), 7);
    assert_eq!(metrics.count("campanile_amqp_lag_seconds_count", &[]), 2, "those that name a time");
    assert_eq!(metrics.count("campanile_amqp_in_hand_messages", &[]), 0);
    assert!(metrics.has("campanile_amqp_queue_messages", &[]));
    assert_eq!(publisher.depth(&queue).await, (0, 1));
}

#[tokio::test]
async fn without_an_inbox_messages_are_published_and_acknowledged() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let gateway = serving(&redis, &rabbit, &queue).env("CAMPANILE_INBOX_SIZE", "0").start().await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    let mut client = Client::bare(&gateway, "42").await;
    publisher.publish(&queue, r#"{"user_id":"42","id":"a"}"#).await;
    assert_eq!(client.next_json().await["id"], "a");
    eventually("it is acknowledged", PATIENCE, async || taken(&gateway, "acked").await == 1).await;
}

#[tokio::test]
async fn a_quorum_queue_that_exists_is_read_by_a_demo_with_its_own_broker() {
    let rabbit = Rabbit::shared().await;
    let queue = queue();
    let publisher = rabbit.publisher().await;
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    publisher.declare(&queue, quorum).await;
    publisher.publish(&queue, r#"{"user_id":"ada","id":"a"}"#).await;
    let demo = Gateway::builder()
        .env("CAMPANILE_AMQP_URL", &rabbit.url())
        .env("CAMPANILE_AMQP_QUEUE", &queue)
        .args(&["demo"])
        .start()
        .await;
    assert_eq!(texts(&inbox_of(&demo, "ada", 1).await, "id"), ["a"]);
}

#[tokio::test]
async fn what_is_the_same_is_one_and_what_only_looks_alike_is_two() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let gateway = serving(&redis, &rabbit, &queue).start().await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    let plain = BasicProperties::default;
    let hi = br#"{"user_id":"42","message":"hi"}"#;
    for (body, properties, entries) in [
        (&br#"{"user_id":"42","id":"a"}"#[..], plain(), 1),
        (hi, plain().with_message_id("m".into()), 1),
        (hi, plain().with_timestamp(1_767_323_045), 1),
        (br#"{"user_id":"42","message":"hi","timestamp":"2026-01-02T03:04:05Z"}"#, plain(), 1),
        (hi, plain(), 2),
    ] {
        let before = inbox(&gateway, "42").await.len();
        let acked = taken(&gateway, "acked").await;
        for _ in 0..2 {
            publisher.publish_with(&queue, body, properties.clone()).await;
        }
        eventually("both are done", PATIENCE, async || taken(&gateway, "acked").await == acked + 2)
            .await;
        let text = String::from_utf8_lossy(body).into_owned();
        assert_eq!(inbox(&gateway, "42").await.len(), before + entries, "{text} {properties:?}");
    }
}
