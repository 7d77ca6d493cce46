//! Publishers that speak through Socket.IO's Redis adapter stay as they are: the real packages emit, and
//! sockets of other dialects on two replicas get it.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::cluster::Cluster;
use crate::support::garbage::{mutate, object};
use crate::support::gateway::{Builder, Gateway};
use crate::support::redis::Redis;
use crate::support::script::Script;
use crate::support::seed;
use crate::support::token;
use crate::support::wait::{PATIENCE, eventually};

const INVALID: &str = "campanile_notifications_invalid_total";
const RECEIVED: &str = "campanile_notifications_received_total";
const EVENTS: &str = "campanile_events_received_total";
const ADAPTER: (&str, &str) = ("source", "adapter");

fn replica(redis: &Redis, kind: &str) -> Builder {
    Gateway::builder().redis(redis).env("CAMPANILE_SOCKETIO_ADAPTER", kind)
}

fn room(user: &str) -> String {
    format!("user:{user}:notifications")
}

/// The channel of a user's room.
fn channel(user: &str) -> String {
    format!("socket.io#/ws#{}#", room(user))
}

/// A publisher of another maker.
struct Publisher(Script);

impl Publisher {
    async fn new(name: &str, arguments: &[&str]) -> Self {
        let mut script = Script::node(name, arguments);
        script.next_of("ready").await;
        Self(script)
    }

    /// Redis has it when this returns.
    async fn orders(&mut self, order: &Value) {
        self.0.tell(order);
        self.0.next_of("emitted").await;
    }

    async fn emits(&mut self, users: &[&str], except: &[&str], dto: &Value) {
        self.emits_in("/ws", users, except, "NEW_NOTIFICATION", dto).await;
    }

    async fn emits_in(
        &mut self,
        namespace: &str,
        users: &[&str],
        except: &[&str],
        event: &str,
        argument: &Value,
    ) {
        let [rooms, except] =
            [users, except].map(|users| users.iter().map(|user| room(user)).collect::<Vec<_>>());
        self.orders(&json!({
            "namespace": namespace, "rooms": rooms, "except": except, "event": event, "args": [argument],
        }))
        .await;
    }
}

/// A user with an envelope on one replica and a bare socket on another.
struct User {
    name: &'static str,
    envelope: Client,
    bare: Client,
}

impl User {
    async fn at(name: &'static str, a: &Gateway, b: &Gateway) -> Self {
        let (envelope, bare) = (Client::user(a, name).await, Client::bare(b, name).await);
        Self { name, envelope, bare }
    }

    /// Both sockets got exactly these ids since the last look, and the last of the notifications.
    async fn got(&mut self, redis: &Redis, ids: &[Value]) -> Value {
        let marker = format!("marker {}", fastrand::u64(..));
        redis.publish(&room(self.name), &json!({ "id": marker }).to_string()).await;
        let (mut enveloped, mut bare) = (Vec::new(), Vec::new());
        loop {
            let notification = self.envelope.next_of("notification").await["data"].take();
            if notification["id"] == marker {
                break;
            }
            enveloped.push(notification);
        }
        loop {
            let notification = self.bare.next_json().await;
            if notification["id"] == marker {
                break;
            }
            bare.push(notification);
        }
        for heard in [&enveloped, &bare] {
            let heard: Vec<&Value> = heard.iter().map(|notification| &notification["id"]).collect();
            assert_eq!(heard, ids.iter().collect::<Vec<_>>(), "{}", self.name);
        }
        bare.pop().unwrap_or_default()
    }
}

/// The ids that are kept, oldest first, without the markers.
async fn kept(gateway: &Gateway, user: &str) -> Vec<Value> {
    let answer = gateway.http_as(user, "GET", "/api/notifications?limit=200").await.json();
    let items = answer["data"]["items"].as_array().unwrap().iter().rev();
    let ids = items.map(|item| item["id"].clone());
    ids.filter(|id| !id.as_str().is_some_and(|id| id.starts_with("marker"))).collect()
}

/// Whatever the publisher, what it emits reaches whom it is for, once.
async fn all_is_delivered(redis: &Redis, kind: &str, publisher: &mut Publisher) {
    let (a, b) = (replica(redis, kind).start().await, replica(redis, kind).start().await);
    let mut ada = User::at("42", &a, &b).await;
    let mut grace = User::at("43", &a, &b).await;
    // A room whose name is as long as a socket's id.
    let mut seven = User::at("7", &b, &a).await;
    let at = "2026-01-02T03:04:05.678Z";
    let dto = json!({"id": 1, "message": "Paid", "sentAt": {"$date": at}, "readAt": null});
    publisher.emits(&["42"], &[], &dto).await;
    let got = ada.got(redis, &[json!(1)]).await;
    assert_eq!(
        got,
        json!({
            "timestamp": at, "type": "info", "user_id": "42",
            "id": 1, "message": "Paid", "sentAt": at, "readAt": null,
        })
    );
    publisher.emits(&["7"], &[], &json!({"id": 2})).await;
    publisher.emits(&["42", "43"], &[], &json!({"id": 3})).await;
    publisher.emits(&["42", "43", "7"], &["43"], &json!({"id": 4})).await;
    publisher.emits(&["43"], &["43"], &json!({"id": 5})).await;
    publisher.emits(&[], &[], &json!({"id": 6})).await;
    publisher.emits(&[], &["43"], &json!({"id": 7})).await;
    publisher.emits_in("/", &["43"], &[], "NEW_NOTIFICATION", &json!({"id": 8})).await;
    publisher.emits_in("/", &[], &[], "NEW_NOTIFICATION", &json!({"id": 9})).await;
    // For clients of Socket.IO alone, or for nobody here.
    publisher.emits_in("/ws", &["42"], &[], "PRICE", &json!(7)).await;
    publisher.emits_in("/admin", &["42"], &[], "NEW_NOTIFICATION", &json!({"id": 10})).await;
    publisher
        .orders(&json!({"rooms": ["trades"], "event": "NEW_NOTIFICATION", "args": [{}]}))
        .await;
    ada.got(redis, &[3, 4, 6, 7, 9].map(Value::from)).await;
    grace.got(redis, &[3, 6, 8, 9].map(Value::from)).await;
    seven.got(redis, &[2, 4, 6, 7, 9].map(Value::from)).await;
    a.metric_becomes(EVENTS, &[], |count| (count - 1.0).abs() < 0.5).await;

    for (user, ids) in [("42", &[1, 3, 4][..]), ("43", &[3, 8]), ("7", &[2, 4])] {
        let ids: Vec<Value> = ids.iter().map(|id| json!(id)).collect();
        let what = format!("{user} finds {ids:?}");
        eventually(&what, PATIENCE, async || kept(&a, user).await == ids).await;
    }

    // Without an id, all replicas derive the same.
    publisher.emits(&["42"], &[], &json!({"message": "no id"})).await;
    let (one, other) =
        (ada.envelope.next_of("notification").await["data"].take(), ada.bare.next_json().await);
    assert_eq!((&one["message"], &one["id"]), (&json!("no id"), &other["id"]));
    assert_eq!(other["id"].as_str().unwrap().len(), 36);
    eventually("it is kept under this id", PATIENCE, async || {
        kept(&b, "42").await.last() == Some(&other["id"])
    })
    .await;

    for (dto, reason) in [
        (json!({"id": 11, "file": {"$buffer": "bytes"}}), "binary"),
        (json!("text"), "not_an_object"),
        (json!({"id": 11, "userId": 43}), "wrong_user"),
        (json!({"id": 11, "message": "x".repeat(70_000)}), "too_large"),
        (json!({"id": 11, "message": "x".repeat(400_000)}), "too_large"),
    ] {
        let labels = [ADAPTER, ("reason", reason)];
        let before = a.metrics().await.value(INVALID, &labels);
        publisher.emits(&["42"], &[], &dto).await;
        a.metric_becomes(INVALID, &labels, |count| count > before + 0.5).await;
    }
    ada.got(redis, &[]).await;

    let end = |users: &[&str], close| json!({"rooms": users.iter().map(|user| room(user)).collect::<Vec<_>>(), "disconnect": close});
    publisher.orders(&end(&[], true)).await;
    publisher.orders(&end(&["42"], false)).await;
    publisher.orders(&end(&["43", "7"], true)).await;
    for client in [&mut grace.envelope, &mut grace.bare, &mut seven.envelope, &mut seven.bare] {
        assert_eq!(client.next_close().await.0, 4001);
    }
    ada.got(redis, &[]).await;
}

#[tokio::test]
async fn what_the_emitter_emits_reaches_every_dialect_once() {
    let redis = Redis::start().await;
    let mut emitter = Publisher::new("emitter.mjs", &[&redis.url()]).await;
    all_is_delivered(&redis, "classic", &mut emitter).await;
}

#[tokio::test]
async fn what_a_server_with_the_classic_adapter_emits_reaches_every_dialect_once() {
    let redis = Redis::start().await;
    let mut server = Publisher::new("adapter.mjs", &[&redis.url(), "classic"]).await;
    all_is_delivered(&redis, "classic", &mut server).await;
}

#[tokio::test]
async fn what_a_server_with_the_sharded_adapter_emits_reaches_every_dialect_once() {
    let redis = Redis::start().await;
    for mode in ["dynamic", "dynamic-private", "static"] {
        let mut server = Publisher::new("adapter.mjs", &[&redis.url(), "sharded", mode]).await;
        all_is_delivered(&redis, "sharded", &mut server).await;
        redis.cli(&["FLUSHALL"]).await;
    }
}

/// A page of Socket.IO that has subscribed in this namespace.
async fn page(gateway: &Gateway, user: &str, namespace: &str) -> Script {
    let options = json!({"auth": {"token": token::for_user(user)}, "transports": ["websocket"]});
    let mut page = Script::node("ulens.mjs", &[&gateway.url(namespace), &options.to_string()]);
    page.next_of("subscribed").await;
    page
}

/// What it got up to the notification with this id, but for counts.
async fn events(page: &mut Script, last: &str) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let line = page.next().await;
        if line["args"][0]["id"] == last {
            return events;
        }
        if line["event"] != "UNREAD_COUNT" && line["event"] != "upgrade" {
            events.push(line);
        }
    }
}

#[tokio::test]
async fn events_of_other_names_reach_the_socket_io_pages_of_whom_they_are_for() {
    for (script, kind) in [("emitter.mjs", "classic"), ("adapter.mjs", "sharded")] {
        let redis = Redis::start().await;
        let (a, b) = (replica(&redis, kind).start().await, replica(&redis, kind).start().await);
        let mut ada = page(&a, "42", "/ws").await;
        let mut ada_elsewhere = page(&b, "42", "/").await;
        let mut grace = page(&b, "43", "/ws").await;
        let mut publisher = Publisher::new(script, &[&redis.url(), kind]).await;
        let price = json!({"symbol": "AAPL", "at": {"$date": "2026-01-02T03:04:05.678Z"}});
        publisher.emits_in("/ws", &["42"], &[], "PRICE", &price).await;
        publisher
            .orders(&json!({"except": [room("42")], "event": "NEWS", "args": [1, [], "x"]}))
            .await;
        publisher.emits_in("/", &[], &[], "HELLO", &Value::Null).await;
        publisher.emits(&["42"], &["43"], &json!({"id": 7, "message": "Paid"})).await;
        publisher.emits(&[], &[], &json!({"id": "last"})).await;

        let notification = |event: &Value| (event["event"].clone(), event["args"][0]["id"].clone());
        let seven = (json!("NEW_NOTIFICATION"), json!(7));
        let got = events(&mut ada, "last").await;
        let price = json!({"symbol": "AAPL", "at": "2026-01-02T03:04:05.678Z"});
        assert_eq!(got[0], json!({"event": "PRICE", "args": [price]}), "{kind}");
        assert_eq!((notification(&got[1]), got.len()), (seven.clone(), 2), "{got:?}");
        let got = events(&mut ada_elsewhere, "last").await;
        assert_eq!(got[0], json!({"event": "HELLO", "args": [null]}), "{kind}");
        assert_eq!((notification(&got[1]), got.len()), (seven, 2), "{got:?}");
        let got = events(&mut grace, "last").await;
        assert_eq!(got, [json!({"event": "NEWS", "args": [1, [], "x"]})], "{kind}");
        eventually("the notification is kept and no event", PATIENCE, async || {
            kept(&a, "42").await == [json!(7)]
        })
        .await;

        publisher.orders(&json!({"rooms": [room("42")], "disconnect": true})).await;
        for page in [&mut ada, &mut ada_elsewhere] {
            page.next_of("disconnect").await;
        }
    }
}

#[tokio::test]
async fn what_is_emitted_to_users_who_are_offline_is_kept_once() {
    let redis = Redis::start().await;
    let (a, _b) =
        (replica(&redis, "classic").start().await, replica(&redis, "classic").start().await);
    let listens = async || {
        let patterns: usize = redis.cli(&["PUBSUB", "NUMPAT"]).await.trim().parse().unwrap();
        patterns == 7
    };
    eventually("both listen by pattern", PATIENCE, listens).await;
    let mut emitter = Publisher::new("emitter.mjs", &[&redis.url()]).await;
    emitter.emits(&["8"], &[], &json!({"id": 1, "sentAt": {"$date": 0}})).await;
    emitter.emits(&["8", "9"], &["9"], &json!({"id": 2})).await;
    emitter.emits_in("/", &["8", "9"], &[], "NEW_NOTIFICATION", &json!({"id": 3})).await;
    emitter.emits(&[], &[], &json!({"id": 4})).await;
    emitter.emits_in("/ws", &["8"], &[], "PRICE", &json!({"id": 5})).await;
    for (user, ids) in [("8", &[1, 2, 3][..]), ("9", &[3])] {
        let ids: Vec<Value> = ids.iter().map(|id| json!(id)).collect();
        let what = format!("{user} finds {ids:?}");
        eventually(&what, PATIENCE, async || kept(&a, user).await == ids).await;
    }
}

#[tokio::test]
async fn servers_that_ask_each_other_do_not_wait_for_a_replica() {
    for kind in ["classic", "sharded"] {
        let redis = Redis::start().await;
        let (a, _b) = (replica(&redis, kind).start().await, replica(&redis, kind).start().await);
        let _client = Client::bare(&a, "42").await;
        let [mut one, _other] = [
            Publisher::new("adapter.mjs", &[&redis.url(), kind]).await,
            Publisher::new("adapter.mjs", &[&redis.url(), kind]).await,
        ];
        // It waits for 5 s and fails when somebody does not answer.
        one.0.tell(&json!({"ask": true}));
        let asked = one.0.next_of("asked").await;
        assert_eq!((&asked["sockets"], &asked["acknowledged"]), (&json!(0), &json!([])), "{kind}");
        let answers = if kind == "sharded" { 2.0 } else { 0.0 };
        a.metric_is("campanile_adapter_answers_total", answers).await;
    }
}

/// How many are subscribed to this channel.
async fn listeners(redis: &Redis, kind: &str, channel: &str) -> usize {
    let word = if kind == "sharded" { "SHARDNUMSUB" } else { "NUMSUB" };
    let counts: (String, usize) = redis.ask(redis::cmd("PUBSUB").arg(word).arg(channel)).await;
    counts.1
}

#[tokio::test]
async fn an_open_socket_hears_its_room_also_on_a_new_link_and_leaves_it_at_the_end() {
    for kind in ["classic", "sharded"] {
        let redis = Redis::start().await;
        let gateway = replica(&redis, kind).start().await;
        let mut client = Client::bare(&gateway, "42").await;
        assert_eq!(listeners(&redis, kind, &channel("42")).await, 1, "at once");
        assert_eq!(listeners(&redis, kind, "socket.io#/ws#").await, 1);

        redis.client_kill_pubsub().await;
        gateway.metric_becomes("campanile_redis_reconnects_total", &[], |count| count > 0.5).await;
        gateway.metric_is("campanile_redis_connected", 1.0).await;
        let mut server = Publisher::new("adapter.mjs", &[&redis.url(), kind]).await;
        server.emits(&["42"], &[], &json!({"id": "after"})).await;
        assert_eq!(client.next_json().await["id"], "after");
        drop(server);
        client.close().await;
        eventually("the room is left", PATIENCE, async || {
            listeners(&redis, kind, &channel("42")).await == 0
        })
        .await;
    }
}

#[tokio::test]
async fn without_the_option_nothing_of_it_is_subscribed() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let _client = Client::bare(&gateway, "42").await;
    assert_eq!(redis.pubsub_channels("socket.io*").await, Vec::<String>::new());
    eventually("it captures", PATIENCE, async || {
        redis.cli(&["PUBSUB", "NUMPAT"]).await.trim() == "1"
    })
    .await;
}

#[tokio::test]
async fn in_a_cluster_an_emitter_at_any_node_is_heard() {
    let cluster = Cluster::start().await;
    let builder = Gateway::builder().cluster(&cluster);
    let gateway = builder.env("CAMPANILE_SOCKETIO_ADAPTER", "classic").start().await;
    let mut client = Client::bare(&gateway, "42").await;
    for (id, node) in cluster.nodes().iter().enumerate() {
        let mut emitter = Publisher::new("emitter.mjs", &[&node.url()]).await;
        emitter.emits(&["42"], &[], &json!({ "id": id })).await;
        assert_eq!(client.next_json_within(Duration::from_secs(30)).await["id"], id);
    }
}

/// A message of the classic adapter or of the sharded one, as JSON, or a request.
fn message(rng: &mut Rng) -> Vec<u8> {
    let dto = object(rng, 2);
    let opts = json!({"rooms": [room("fuzz")], "except": [], "flags": {}});
    let packet = json!({"type": 2, "data": ["NEW_NOTIFICATION", dto], "nsp": "/ws"});
    let message = match rng.u8(..3) {
        0 => json!(["emitter", packet, opts]),
        1 => json!({"type": 3, "data": {"packet": packet, "opts": opts}, "uid": "u", "nsp": "/ws"}),
        _ => json!({"type": 5, "requestId": "r", "opts": opts}),
    };
    if rng.bool() { message.to_string().into_bytes() } else { msgpack(&message) }
}

fn msgpack(value: &Value) -> Vec<u8> {
    fn convert(value: &Value) -> rmpv::Value {
        match value {
            Value::Null => rmpv::Value::Nil,
            Value::Bool(truth) => (*truth).into(),
            Value::Number(number) if number.is_i64() => number.as_i64().unwrap().into(),
            Value::Number(number) => number.as_f64().unwrap().into(),
            Value::String(text) => text.as_str().into(),
            Value::Array(items) => rmpv::Value::Array(items.iter().map(convert).collect()),
            Value::Object(fields) => {
                let field = |(name, value): (&String, _)| (name.as_str().into(), convert(value));
                rmpv::Value::Map(fields.iter().map(field).collect())
            }
        }
    }
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &convert(value)).unwrap();
    bytes
}

#[tokio::test]
async fn garbage_on_these_channels_does_no_harm() {
    const ROUNDS: usize = 40;
    const AT_A_TIME: usize = 150;
    let mut rng = seed::rng();
    let redis = Redis::start().await;
    let gateway = replica(&redis, "classic")
        .env("CAMPANILE_SEND_QUEUE", "10000")
        .env("CAMPANILE_SEND_QUEUE_BYTES", "100000000")
        .start()
        .await;
    let (mut fuzz, mut grace) =
        (Client::bare(&gateway, "fuzz").await, Client::bare(&gateway, "grace").await);
    let mut connection = redis.connection().await;
    let (own, all) = (channel("fuzz"), "socket.io#/ws#".to_owned());
    let channels = [own, all, "socket.io-request#/ws#".to_owned(), channel("grace")];
    let (mut delivered, mut published) = (0, 0);
    for round in 0..ROUNDS {
        let mut pipeline = redis::pipe();
        for _ in 0..AT_A_TIME {
            let payload = message(&mut rng);
            let channel = rng.choice(&channels).unwrap();
            pipeline.publish(channel, mutate(&mut rng, payload)).ignore();
            published += 1;
        }
        if round == 0 {
            // Nesting that would end the stack, and announcements of more than there is.
            for bomb in [
                vec![0x91; 60_000],
                [0x81, 0xa1, b'a'].repeat(20_000),
                vec![b'['; 60_000],
                br#"{"a":"#.repeat(12_000),
                vec![0xdd, 0xff, 0xff, 0xff, 0xff],
                vec![0xc6, 0xff, 0xff, 0xff, 0xff],
            ] {
                for channel in &channels {
                    pipeline.publish(channel, &bomb).ignore();
                    published += 1;
                }
            }
        }
        let marker = format!("marker {round}");
        pipeline.publish(room("fuzz"), json!({ "id": marker }).to_string()).ignore();
        pipeline.query_async::<()>(&mut connection).await.unwrap();
        while fuzz.next_json().await["id"] != marker {
            delivered += 1;
        }
    }
    redis.publish(&room("grace"), r#"{"id":"only this"}"#).await;
    assert_eq!(grace.next_json().await["id"], "only this");
    let metrics = gateway.metrics().await;
    let invalid = metrics.count(INVALID, &[ADAPTER]);
    println!("{published} published, {delivered} delivered, {invalid} invalid");
    // Some are for users whom nobody has heard of.
    assert!(metrics.count(RECEIVED, &[ADAPTER]) >= delivered);
    assert!(invalid > published / 10 && delivered > published / 20, "the mix is worth it");
    let log = gateway.stderr_so_far();
    assert!(!log.contains("panicked"), "{log}");
    let complaints = log.matches("dropped an invalid notification").count();
    assert!((1..60).contains(&complaints), "{complaints} complaints");
}
