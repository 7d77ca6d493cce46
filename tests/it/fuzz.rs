//! A million random and mutated payloads on each lane: none harms the gateway, reaches anybody else or is
//! miscounted.

use std::collections::HashMap;

use campanile::notification::Cursor;
use fastrand::Rng;
use redis::aio::MultiplexedConnection;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::garbage::{mutate, object, value};
use crate::support::gateway::Gateway;
use crate::support::http::Response;
use crate::support::notify::notify;
use crate::support::redis::Redis;
use crate::support::seed;
use crate::support::wait::{PATIENCE, eventually};

const INVALID: &str = "campanile_notifications_invalid_total";
const RECEIVED: &str = "campanile_notifications_received_total";
const PAYLOADS: usize = 1_000_000;
const AT_A_TIME: usize = 500;
const KEY: &str = "a-key-of-the-tests";

/// What must hold for any delivered frame, whatever was published.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: HashMap<String, &'a RawValue>,
}

/// Reads and checks frames up to the one with this id; how many there were.
async fn read_to(client: &mut Client, marker: &str) -> usize {
    let mut delivered = 0;
    loop {
        let text = client.next_text().await;
        let frame: Frame<'_> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        if frame.kind == "notification_update" {
            continue;
        }
        delivered += 1;
        assert_eq!(frame.kind, "notification", "{text}");
        for name in ["id", "type", "timestamp", "notification_id", "notification_type"] {
            assert!(frame.data.contains_key(name), "{name} in {text}");
        }
        assert_eq!(frame.data["user_id"].get(), "\"fuzz\"", "{text}");
        if frame.data["id"].get() == format!("\"{marker}\"") {
            return delivered;
        }
    }
}

struct Scene {
    redis: Redis,
    gateway: Gateway,
    fuzz: Client,
    grace: Client,
    connection: MultiplexedConnection,
    rng: Rng,
}

impl Scene {
    async fn new(inbox: &str) -> Self {
        let redis = Redis::start().await;
        // One of the clients reads only at the end.
        let gateway = Gateway::builder()
            .redis(&redis)
            .env("CAMPANILE_PUBLISH_KEYS", KEY)
            .env("CAMPANILE_INBOX_SIZE", inbox)
            // The client reads when a whole pipeline has been published.
            .env("CAMPANILE_SEND_QUEUE", "10000")
            .env("CAMPANILE_SEND_QUEUE_BYTES", "100000000")
            .env("CAMPANILE_PING_INTERVAL", "1h")
            .env("CAMPANILE_PONG_TIMEOUT", "2h")
            .start()
            .await;
        let fuzz = Client::user(&gateway, "fuzz").await;
        let grace = Client::bare(&gateway, "grace").await;
        let connection = redis.connection().await;
        Self { redis, gateway, fuzz, grace, connection, rng: seed::rng() }
    }

    fn payload(&mut self) -> Vec<u8> {
        let payload = object(&mut self.rng, 3).to_string().into_bytes();
        mutate(&mut self.rng, payload)
    }

    /// Nobody else got anything, nothing broke; the metrics.
    async fn ends(&mut self) -> crate::support::metrics::Metrics {
        self.redis.publish("user:grace:notifications", r#"{"id":"only this"}"#).await;
        assert_eq!(self.grace.next_json().await["id"], "only this");
        let log = self.gateway.stderr_so_far();
        assert!(!log.contains("panicked"), "{log}");
        self.gateway.metrics().await
    }

    /// What cannot be shown to anybody is not counted either.
    async fn count_is_what_is_listed(&self) {
        eventually("the count is the number of entries", PATIENCE, async || {
            let get = async |path| self.gateway.http_as("fuzz", "GET", path).await.json();
            let listed = get("/api/notifications?limit=200").await;
            let count = get("/api/notifications/unread_count").await;
            listed["data"]["items"].as_array().map(|items| json!(items.len()))
                == Some(count["data"]["count"].clone())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_payloads_published_plainly() {
    // An id is known until it is trimmed, and of tens of thousands a second for one user 200 are trimmed
    // sooner than both who listen have captured them.
    let mut scene = Scene::new("10000").await;
    let (mut published, mut delivered) = (0, 0);
    for round in 0..PAYLOADS / AT_A_TIME {
        let mut pipeline = redis::pipe();
        let mut publish = |payload: &[u8]| {
            pipeline.cmd("PUBLISH").arg("user:fuzz:notifications").arg(payload).ignore();
            published += 1;
        };
        for _ in 0..AT_A_TIME {
            publish(&scene.payload());
        }
        if round == 0 {
            let deep = format!(r#"{{"data":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
            publish(deep.as_bytes());
        }
        let marker = format!("marker-{round}");
        publish(json!({ "id": marker }).to_string().as_bytes());
        pipeline.query_async::<()>(&mut scene.connection).await.unwrap();
        delivered += read_to(&mut scene.fuzz, &marker).await;
        if round % 8 == 7 {
            scene.gateway.metric_is("campanile_capture_queue_items", 0.0).await;
            scene.gateway.metric_is("campanile_capture_held_items", 0.0).await;
        }
    }
    // What the last round had captured a second time may come behind its marker, and not behind this one.
    scene.redis.publish("user:fuzz:notifications", r#"{"id":"last"}"#).await;
    published += 1;
    delivered += read_to(&mut scene.fuzz, "last").await;
    let metrics = scene.ends().await;
    let of = |name| metrics.count(name, &[("source", "pubsub")]);
    let (received, invalid) = (of(RECEIVED), of(INVALID));
    // Payloads such as {} come again and again, and when their id was trimmed once, a second entry is made.
    let again = metrics.count("campanile_replayed_notifications_total", &[]);
    println!(
        "{published} published plainly, {delivered} delivered, {again} again, {invalid} invalid"
    );
    assert_eq!(received + invalid, published + 1);
    assert_eq!(received + again, delivered + 1);
    assert!(invalid > published / 10 && delivered > published / 10, "the mix is worth it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_payloads_through_the_function() {
    let mut scene = Scene::new("200").await;
    notify(&scene.redis, "fuzz", &json!({"id": "first"})).await;
    let mut delivered = read_to(&mut scene.fuzz, "first").await;
    let (mut refused, mut last) = (0, 0);
    for round in 0..PAYLOADS / AT_A_TIME {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        let mut call = |payload: &[u8]| {
            pipeline.cmd("FCALL").arg("campanile_notify").arg(1).arg("fuzz").arg(payload);
        };
        for _ in 0..AT_A_TIME {
            call(&scene.payload());
        }
        let marker = format!("marker-{round}");
        call(json!({ "id": marker }).to_string().as_bytes());
        let answers: Vec<redis::RedisResult<String>> =
            pipeline.query_async(&mut scene.connection).await.unwrap();
        for answer in answers {
            match answer {
                Ok(cursor) => last = last.max(position(&cursor)),
                Err(error) => {
                    assert!(error.to_string().contains("INVALID"), "{error}");
                    refused += 1;
                }
            }
        }
        delivered += read_to(&mut scene.fuzz, &marker).await;
    }
    scene.count_is_what_is_listed().await;
    let metrics = scene.ends().await;
    let invalid = metrics.count(INVALID, &[("source", "log")]);
    println!(
        "{PAYLOADS} through the function, {refused} refused, {last} appended, {delivered} delivered, \
         {invalid} found out later"
    );
    assert_eq!(delivered + invalid, last);
    assert!(refused > PAYLOADS / 10 && delivered > PAYLOADS / 10, "the mix is worth it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_payloads_over_http() {
    let mut scene = Scene::new("200").await;
    let (mut refused, mut delivered, mut last) = (0, 0, 0);
    for round in 0..PAYLOADS / AT_A_TIME {
        let mut items: Vec<Value> = (0..AT_A_TIME).map(|_| item(&mut scene.rng)).collect();
        let marker = format!("marker-{round}");
        items.push(json!({ "id": marker, "user_id": "fuzz" }));
        let body = Value::Array(items).to_string();
        let answer = post(&scene.gateway, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let results = answer["data"]["results"].as_array().unwrap();
        assert_eq!(results.len(), AT_A_TIME + 1);
        for result in results {
            if let Some(cursor) = result["cursor"].as_str() {
                last = last.max(position(cursor));
            } else {
                assert_eq!(result["ok"], false, "{result}");
                refused += 1;
            }
        }
        delivered += read_to(&mut scene.fuzz, &marker).await;
        // A whole body gone wrong.
        let broken = mutate(&mut scene.rng, body.as_bytes()[..body.len().min(2_000)].to_vec());
        let status = post(&scene.gateway, &broken).await.status;
        assert!(status == 400 || status == 200, "{status}");
    }
    let metrics = scene.ends().await;
    let invalid = metrics.count(INVALID, &[("source", "http")]);
    println!("{PAYLOADS} over HTTP, {refused} refused, {last} appended, {delivered} delivered");
    assert_eq!(delivered, last);
    assert_eq!(invalid, refused);
    assert!(refused > PAYLOADS / 10 && delivered > PAYLOADS / 10, "the mix is worth it");
}

/// Of the newest, how many there were.
fn position(cursor: &str) -> usize {
    usize::try_from(cursor.parse::<Cursor>().unwrap().position).unwrap()
}

async fn post(gateway: &Gateway, body: &[u8]) -> Response {
    let bearer = format!("Bearer {KEY}");
    gateway.http("POST", "/api/publish", &[("Authorization", &bearer)], body).await
}

/// Mostly for `fuzz`, sometimes for nobody who could be.
fn item(rng: &mut Rng) -> Value {
    let mut item = object(rng, 2);
    let Some(fields) = item.as_object_mut() else { return item };
    fields.remove("userId");
    match rng.u8(..10) {
        0 => return value(rng, 0),
        1 => fields.insert("user_id".into(), json!(["fuzz"])),
        2 => fields.insert("user_id".into(), json!("\u{7}")),
        _ => fields.insert("user_id".into(), json!("fuzz")),
    };
    item
}
