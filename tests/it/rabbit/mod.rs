//! Notifications from RabbitMQ, by `serve` and by `worker`.

mod chaos;
mod commands;
mod dead;
mod messaging_app;
mod outages;
mod shapes;

use serde_json::Value;

use crate::support::gateway::{Builder, Gateway};
use crate::support::rabbit::Rabbit;
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, until};

/// A replica that reads this queue.
fn serving(redis: &Redis, rabbit: &Rabbit, queue: &str) -> Builder {
    Gateway::builder()
        .redis(redis)
        .env("CAMPANILE_AMQP_URL", &rabbit.url())
        .env("CAMPANILE_AMQP_QUEUE", queue)
        .env("CAMPANILE_DRAIN_DELAY", "0")
        .env("CAMPANILE_DRAIN_WINDOW", "100ms")
}

/// A worker that does.
fn working(redis: &Redis, rabbit: &Rabbit, queue: &str) -> Builder {
    serving(redis, rabbit, queue)
        .without("CAMPANILE_JWT_SECRET")
        .without("CAMPANILE_DRAIN_DELAY")
        .without("CAMPANILE_DRAIN_WINDOW")
        .args(&["worker"])
}

/// Until it consumes.
async fn consuming(gateway: &Gateway) {
    gateway.metric_is("campanile_amqp_connected", 1.0).await;
}

/// What a user has, newest first.
async fn inbox(gateway: &Gateway, user: &str) -> Vec<Value> {
    let answer = gateway.http_as(user, "GET", "/api/notifications?limit=200").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"]["items"].as_array().expect("a list").clone()
}

/// Waits until a user has this many.
async fn inbox_of(gateway: &Gateway, user: &str, count: usize) -> Vec<Value> {
    let what = format!("{count} notifications of {user}");
    until(&what, 3 * PATIENCE, async || {
        Some(inbox(gateway, user).await).filter(|items| items.len() == count)
    })
    .await
}

/// This field of each.
fn texts<'a>(items: &'a [Value], field: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[field].as_str().unwrap_or_default()).collect()
}

/// Messages of the queue of which something came.
async fn taken(gateway: &Gateway, result: &str) -> usize {
    gateway.metrics().await.count("campanile_amqp_messages_total", &[("result", result)])
}
