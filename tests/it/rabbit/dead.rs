//! Messages that are no notifications.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::AMQPValue;

use super::{consuming, inbox_of, serving, taken};
use crate::support::client::Client;
use crate::support::rabbit::{Rabbit, queue};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually};

fn header(delivery: &Delivery, name: &str) -> String {
    let headers = delivery.properties.headers().as_ref().expect("it has headers");
    match headers.inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_notification_is_moved_with_its_reason_and_stops_nothing() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let dead = format!("{queue}.dead");
    let gateway = serving(&redis, &rabbit, &queue).start().await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    let mut client = Client::user(&gateway, "42").await;
    let long = format!(r#"{{"user_id":"42","message":"{}"}}"#, "hush".repeat(20_000));
    let poison: [(&[u8], &str, &str); 6] = [
        (b"hush", "not_an_object", "expected"),
        (b"\xff\xfe", "not_an_object", "UTF-8"),
        (b"[{\"user_id\":\"42\"}]", "not_an_object", "object"),
        (b"{\"title\":\"hush\"}", "user_id", "give one of user_id"),
        (b"{\"user_id\":\"\",\"title\":\"hush\"}", "user_id", "must not be empty"),
        (long.as_bytes(), "too_large", "65536"),
    ];
    for (n, (body, ..)) in poison.iter().enumerate() {
        let properties = BasicProperties::default()
            .with_message_id(format!("m{n}").as_str().into())
            .with_content_type("application/json".into());
        publisher.publish_with(&queue, body, properties).await;
    }
    publisher.publish(&queue, r#"{"user_id":"42","id":"good"}"#).await;
    assert_eq!(client.next_of("notification").await["data"]["id"], "good");
    for (n, (body, reason, error)) in poison.iter().enumerate() {
        let delivery = publisher.take(&dead).await;
        assert_eq!(delivery.data, *body);
        assert_eq!(header(&delivery, "x-campanile-reason"), *reason);
        let said = header(&delivery, "x-campanile-error");
        assert!(said.contains(error) && !said.contains("hush"), "{said}");
        assert_eq!(header(&delivery, "x-campanile-routing-key"), queue);
        let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
        assert_eq!(id, Some(format!("m{n}")));
    }
    eventually("they are counted", PATIENCE, async || taken(&gateway, "dead").await == 6).await;
    let metrics = gateway.metrics().await;
    for (reason, count) in [("not_an_object", 3), ("user_id", 2), ("too_large", 1)] {
        let labels = [("source", "amqp"), ("reason", reason)];
        assert_eq!(metrics.count("campanile_notifications_invalid_total", &labels), count);
    }
    let stderr = gateway.stderr_so_far();
    let lines = stderr.lines().filter(|line| line.contains("moving what")).count();
    assert!(lines == 1 && !stderr.contains("hush"), "{stderr}");
    assert_eq!(publisher.depth(&queue).await, (0, 1));
}

#[tokio::test]
async fn what_redis_refuses_for_itself_is_moved_in_the_end_while_others_pass() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let gateway = serving(&redis, &rabbit, &queue).start().await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    // A log of another type than it should be.
    publisher.publish(&queue, r#"{"user_id":"spoilt","id":"a"}"#).await;
    inbox_of(&gateway, "spoilt", 1).await;
    for key in redis.cli(&["KEYS", "*spoilt*"]).await.lines() {
        redis.cli(&["DEL", key]).await;
        redis.cli(&["SET", key, "x"]).await;
    }
    publisher.publish(&queue, r#"{"user_id":"spoilt","id":"b"}"#).await;
    let dead = format!("{queue}.dead");
    let moved = publisher.take_within(&dead, 4 * PATIENCE);
    let others = async {
        for n in 0..u32::MAX {
            publisher.publish(&queue, &format!(r#"{{"user_id":"u{n}","id":"x"}}"#)).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let delivery = tokio::select! {
        delivery = moved => delivery,
        () = others => unreachable!(),
    };
    assert_eq!(header(&delivery, "x-campanile-reason"), "refused");
    inbox_of(&gateway, "u0", 1).await;
}

#[tokio::test]
async fn huge_messages_are_all_moved_and_keep_no_other_from_its_user() {
    const SIZE: usize = 4 * 1024 * 1024;
    const COUNT: usize = 100;
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let publisher = rabbit.publisher().await;
    publisher.declare(&queue, lapin::types::FieldTable::default()).await;
    let body = vec![b'x'; SIZE];
    for _ in 0..COUNT {
        publisher.publish_with(&queue, &body, BasicProperties::default()).await;
    }
    publisher.publish(&queue, r#"{"user_id":"42","id":"good"}"#).await;
    let gateway = serving(&redis, &rabbit, &queue).start().await;
    let mut most = 0;
    eventually("all are moved", 6 * PATIENCE, async || {
        most = most.max(gateway.resident_bytes());
        taken(&gateway, "dead").await >= COUNT
    })
    .await;
    inbox_of(&gateway, "42", 1).await;
    let mebibytes = most / 1024 / 1024;
    println!("{COUNT} messages of {SIZE} bytes: {mebibytes} MiB resident at the most");
    publisher.delete(&format!("{queue}.dead")).await;
}
