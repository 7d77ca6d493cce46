//! Ulens's clients, as they are: socket.io-client and python-socketio against two replicas behind a load balancer.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::engineio;
use crate::support::gateway::{Builder, Gateway};
use crate::support::haproxy::{Balance, HaProxy};
use crate::support::redis::Redis;
use crate::support::script::Script;
use crate::support::token;
use crate::support::wait::{PATIENCE, eventually};

const CONNECTIONS: &str = "campanile_connections";
const SOCKETIO: &[(&str, &str)] = &[("dialect", "socketio")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Node,
    Python,
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    maker: Maker,
    /// Empty: the maker's own default.
    transports: &'static [&'static str],
}

impl Kind {
    /// With nothing but WebSockets there is one request per connection, and nothing has to stick.
    fn needs_stickiness(self) -> bool {
        self.transports != ["websocket"]
    }
}

const KINDS: [Kind; 6] = [
    Kind { maker: Maker::Node, transports: &[] },
    Kind { maker: Maker::Node, transports: &["websocket"] },
    Kind { maker: Maker::Node, transports: &["polling"] },
    Kind { maker: Maker::Python, transports: &["polling", "websocket"] },
    Kind { maker: Maker::Python, transports: &["websocket"] },
    Kind { maker: Maker::Python, transports: &["polling"] },
];

struct Scene {
    redis: Redis,
    replicas: [Gateway; 2],
    any: HaProxy,
    sticky: HaProxy,
}

impl Scene {
    async fn new(configure: impl Fn(Builder) -> Builder) -> Self {
        let redis = Redis::start().await;
        let start = || configure(Gateway::builder().redis(&redis)).start();
        let replicas = [start().await, start().await];
        let both = [&replicas[0], &replicas[1]];
        let any = HaProxy::start(Balance::RoundRobin, &both).await;
        let sticky = HaProxy::start(Balance::StickyCookie, &both).await;
        Self { redis, replicas, any, sticky }
    }

    fn client(&self, kind: Kind, token: &str) -> Script {
        let balancer = if kind.needs_stickiness() { &self.sticky } else { &self.any };
        match kind.maker {
            Maker::Node => {
                let mut options = json!({
                    "auth": {"token": token},
                    "reconnectionDelay": 100,
                    "reconnectionDelayMax": 500,
                });
                if kind.needs_stickiness() {
                    // Only then does it keep cookies.
                    options["withCredentials"] = true.into();
                }
                if !kind.transports.is_empty() {
                    options["transports"] = json!(kind.transports);
                }
                Script::node("ulens.mjs", &[&balancer.url("/ws"), &options.to_string()])
            }
            Maker::Python => {
                let transports = kind.transports.join(",");
                Script::python("ulens.py", &[&balancer.url(""), token, &transports])
            }
        }
    }

    async fn publish(&self, payload: &Value) {
        self.redis.publish("user:42:notifications", &payload.to_string()).await;
    }

    async fn open(&self) -> [usize; 2] {
        let [a, b] = &self.replicas;
        let of = async |replica: &Gateway| replica.metrics().await.count(CONNECTIONS, SOCKETIO);
        [of(a).await, of(b).await]
    }
}

/// The first argument of the next event of this name.
async fn heard(client: &mut Script, name: &str) -> Value {
    client.next_of(name).await["args"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ulens_pages_of_every_kind_hear_and_mark_behind_a_load_balancer() {
    let scene = Scene::new(|builder| builder).await;
    let token = token::for_user("42");
    let mut clients = KINDS.map(|kind| (kind, scene.client(kind, &token)));
    for (kind, client) in &mut clients {
        client.next_of("connect").await;
        let subscribed = client.next_of("subscribed").await;
        assert_eq!(subscribed["answer"], json!({"ok": true}), "{kind:?}");
    }
    assert_eq!(scene.open().await.iter().sum::<usize>(), KINDS.len());

    let sent = "2026-01-02T03:04:05.000Z";
    scene.publish(&json!({"id": 7, "message": "Paid", "sentAt": sent, "readAt": null})).await;
    for (kind, client) in &mut clients {
        let first = heard(client, "NEW_NOTIFICATION").await;
        let dto = ["id", "message", "sentAt", "readAt"].map(|name| first[name].clone());
        assert_eq!(dto, [json!(7), json!("Paid"), json!(sent), Value::Null], "{kind:?}");
    }
    // Not before: python-socketio hands each packet to a thread of its own.
    scene.publish(&json!({"notificationId": "b", "message": "Shipped"})).await;
    for (kind, client) in &mut clients {
        let second = heard(client, "NEW_NOTIFICATION").await;
        assert_eq!((&second["id"], &second["readAt"]), (&json!("b"), &Value::Null), "{kind:?}");
        assert!(second["sentAt"].is_string(), "{kind:?}: {second}");
    }

    for (kind, client) in &mut clients {
        // The first to do so tells all others; for them it is read already.
        client.tell(&json!({"emit": "MARK_READ", "args": [{"id": 7}]}));
        let marked = client.next_of("ack").await;
        assert_eq!(marked["answer"]["ok"], true, "{kind:?}: {marked}");
        client.tell(&json!({"emit": "GET_UNREAD_COUNT"}));
        let counted = client.next_of("ack").await;
        assert_eq!(counted["answer"]["count"], 1, "{kind:?}: {counted}");
        client.tell(&json!({"emit": "MARK_READ", "args": [{"id": "never there"}]}));
        let missing = client.next_of("ack").await;
        assert_eq!(missing["answer"]["error"]["code"], "not_found", "{kind:?}: {missing}");
    }
    scene.publish(&json!({"id": "last", "message": "Bye"})).await;
    for (kind, client) in &mut clients {
        let last = heard(client, "NEW_NOTIFICATION").await;
        assert_eq!(last["id"], "last", "{kind:?}");
        client.tell(&json!({"close": true}));
    }
    for replica in &scene.replicas {
        replica.metric_is(CONNECTIONS, 0.0).await;
        replica.metric_is("campanile_users", 0.0).await;
        replica.metric_is("campanile_send_queue_bytes", 0.0).await;
        let log = replica.stderr_so_far();
        assert!(!log.contains("panicked") && !log.contains(&token), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_a_bad_token_is_told_and_does_not_come_back() {
    let scene = Scene::new(|builder| builder).await;
    for (token, text) in [("nonsense", "Invalid token"), ("", "Missing token")] {
        let clients = KINDS.map(|kind| (kind, scene.client(kind, token)));
        join_all(clients.map(async |(kind, mut client)| {
            // python-socketio hands each packet to a thread of its own, so these lines come in any order.
            let (mut said, mut disconnected) = (Value::Null, Value::Null);
            while said.is_null() || disconnected.is_null() {
                let line = client.next().await;
                match line["event"].as_str().unwrap() {
                    "ERROR" => said = line["args"][0].clone(),
                    "disconnect" => disconnected = line,
                    // It may be on its way to a WebSocket.
                    "connect" | "upgrade" => {}
                    _ => panic!("{kind:?}: {line}"),
                }
            }
            assert_eq!(said, text, "{kind:?}");
            let reason = disconnected["reason"].as_str().unwrap();
            match kind.maker {
                Maker::Node => {
                    assert_eq!(
                        (reason, &disconnected["active"]),
                        ("io server disconnect", &json!(false))
                    );
                }
                Maker::Python => assert!(reason.contains("server"), "{kind:?}: {reason}"),
            }
        }))
        .await;
        // Who is refused in the middle of its move may leave the WebSocket as it is, and the gateway waits 10 s for
        // the rest of it, as the reference server does.
        for replica in &scene.replicas {
            eventually("nobody is left", 2 * PATIENCE, async || {
                let metrics = replica.metrics().await;
                let left = [CONNECTIONS, "campanile_socketio_unauthenticated"];
                left.iter().all(|name| metrics.value(name, &[]) < 0.5)
            })
            .await;
        }
    }
    let opened = async |replica: &Gateway| {
        replica.metrics().await.count("campanile_connections_opened_total", SOCKETIO)
    };
    let total = opened(&scene.replicas[0]).await + opened(&scene.replicas[1]).await;
    assert_eq!(total, 2 * KINDS.len(), "somebody came back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_leave_a_replica_that_stops_by_themselves_and_hear_what_follows() {
    let scene = Scene::new(|builder| {
        builder.env("CAMPANILE_DRAIN_DELAY", "1s").env("CAMPANILE_DRAIN_WINDOW", "500ms")
    })
    .await;
    let token = token::for_user("42");
    let mut clients = KINDS.map(|kind| (kind, scene.client(kind, &token)));
    for (_, client) in &mut clients {
        client.next_of("subscribed").await;
    }
    let [a, b] = scene.open().await;
    let (stops, stays, moving) = if a > b { (0, 1, a) } else { (1, 0, b) };
    assert!(moving > 0);
    let told = Instant::now();
    scene.replicas[stops].term();
    let status = scene.replicas[stops].wait_exit(2 * PATIENCE).await;
    assert!(status.success(), "{}", scene.replicas[stops].stderr_so_far());
    let exited = told.elapsed();
    eventually("everyone is on the other replica", 2 * PATIENCE, async || {
        let metrics = scene.replicas[stays].metrics().await;
        let strangers = metrics.count("campanile_socketio_unauthenticated", &[]);
        metrics.count(CONNECTIONS, SOCKETIO) == KINDS.len() && strangers == 0
    })
    .await;
    println!(
        "{moving} pages moved; exited {exited:?} after SIGTERM, all there after {:?}",
        told.elapsed()
    );
    // Those that moved subscribe once more; the others have not been disturbed.
    let mut moved = 0;
    for (kind, client) in &mut clients {
        client.tell(&json!({"emit": "SUBSCRIBE_NOTIFICATIONS"}));
        loop {
            let line = client.next().await;
            match line["event"].as_str().unwrap() {
                "disconnect" => {
                    moved += 1;
                    assert_ne!(line["reason"], "io server disconnect", "{kind:?}");
                }
                "ack" => break,
                _ => {}
            }
        }
    }
    assert_eq!(moved, moving);
    scene.publish(&json!({"id": "after", "message": "Still here"})).await;
    for (kind, client) in &mut clients {
        assert_eq!(heard(client, "NEW_NOTIFICATION").await["id"], "after", "{kind:?}");
    }
}

#[tokio::test]
async fn test_notifications_come_once_however_many_replicas() {
    let redis = Redis::start().await;
    let start = || {
        let builder = Gateway::builder().redis(&redis);
        builder.env("CAMPANILE_TEST_NOTIFICATION_INTERVAL", "1s").start()
    };
    let (replica, _other) = (start().await, start().await);
    let mut client = engineio::connected(&replica, &token::for_user("42")).await;
    let mut without_token = engineio::connected(&replica, "").await;
    let test = r#"42/ws,["TEST_NOTIFICATION",{"message":"Hello, world!"}]"#;
    assert_eq!(engineio::next(&mut client).await, test);
    let first = Instant::now();
    for _ in 0..3 {
        assert_eq!(engineio::next(&mut client).await, test);
    }
    let took = first.elapsed();
    println!("three more within {took:?}");
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert_eq!(engineio::next(&mut without_token).await, test);
}
