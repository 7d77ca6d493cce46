//! Notifications from RabbitMQ.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::{Builder, Gateway};
use crate::support::rabbit::Rabbit;
use crate::support::redis::Redis;

const QUEUE: &str = "notifications";

fn serving(redis: &Redis, rabbit: &Rabbit) -> Builder {
    Gateway::builder().redis(redis).env("CAMPANILE_AMQP_URL", &rabbit.url())
}

#[tokio::test]
async fn every_shape_of_message_reaches_an_open_socket_and_the_inbox() {
    let started = std::time::Instant::now();
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::start());
    eprintln!("rabbit {:?}", started.elapsed());
    let gateway = serving(&redis, &rabbit).start().await;
    gateway.metric_is("campanile_amqp_connected", 1.0).await;
    let publisher = rabbit.publisher().await;
    let mut client = Client::user(&gateway, "42").await;
    publisher.publish(QUEUE, &json!({"user_id": "42", "id": "a", "title": "x"}).to_string()).await;
    let frame: Value = client.next_of("notification").await;
    assert_eq!(frame["data"]["id"], "a");
}
