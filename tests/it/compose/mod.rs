//! The example of docker compose without Docker: its settings, and its HAProxy as it stands in front of its replicas.

mod names;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::task::JoinSet;

use self::names::Names;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::haproxy::HaProxy;
use crate::support::http;
use crate::support::ports;
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually, within};

const FILE: &str = include_str!("../../../docker-compose.yml");
const PROXY: &str = include_str!("../../../image/haproxy.cfg");
/// Sockets of the test; what leaves fits into the window of the example many times over.
const SOCKETS: usize = 60;

/// The variables of the service `campanile`, but for the address of Redis and the secret of the tests' tokens.
fn settings() -> BTreeMap<String, String> {
    let (_, block) = FILE.split_once("    environment:\n").expect("it has an environment");
    let lines = block.lines().take_while(|line| line.starts_with("      "));
    let pairs = lines.map(|line| line.trim().split_once(": ").expect("is a name and a value"));
    let mut settings: BTreeMap<_, _> =
        pairs.map(|(name, value)| (name.into(), value.trim_matches('"').into())).collect();
    for name in ["CAMPANILE_REDIS_URL", "CAMPANILE_JWT_SECRET"] {
        assert!(settings.remove(name).is_some(), "{name}");
    }
    settings
}

/// `from` occurs once.
fn swap(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

/// A replica as compose starts it: an address of its own, the same ports as all others.
async fn replica(redis: &Redis, last: u8, ports: (u16, u16)) -> Gateway {
    let at = |port| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
    let mut builder = Gateway::builder().redis(redis).listeners(at(ports.0), at(ports.1));
    for (name, value) in settings() {
        builder = builder.env(&name, &value);
    }
    // Shorter than by default, which the test waits for.
    builder.env("CAMPANILE_DRAIN_WINDOW", "2s").start().await
}

async fn held(replica: &Gateway) -> usize {
    replica.metrics().await.count("campanile_connections", &[])
}

async fn come(proxy: &HaProxy, count: usize, who: &str) -> Vec<Client> {
    let mut clients = Vec::new();
    for n in 0..count {
        let connect = Connect::to_address(proxy.address(), "/ws").user(&format!("{who}{n}"));
        clients.push(connect.await.unwrap_or_else(|refused| panic!("{}", refused.text())));
    }
    clients
}

#[tokio::test]
async fn haproxy_finds_the_replicas_of_compose_and_leaves_one_that_drains_alone() {
    let redis = Redis::start().await;
    let free = (ports::free().port(), ports::free().port());
    let (a, b) = (replica(&redis, 2, free).await, replica(&redis, 3, free).await);
    let names = Names::start("campanile", &[2, 3]).await;
    let proxy = HaProxy::configured(|address| {
        let text = swap(PROXY, "127.0.0.11:53", &names.address().to_string());
        let text = swap(&text, "bind :8080", &format!("bind {address}"));
        let text = swap(&text, "port 9090", &format!("port {}", free.1));
        swap(&text, "campanile:8080", &format!("campanile:{}", free.0))
    })
    .await;
    eventually("both are found", 3 * PATIENCE, async || {
        let page = http::request(proxy.address(), "GET", "/openapi.json", &[], &[]).await;
        if page.status == 200 {
            drop(come(&proxy, 4, "first").await);
        }
        let opened = "campanile_connections_opened_total";
        a.metrics().await.count(opened, &[]) > 0 && b.metrics().await.count(opened, &[]) > 0
    })
    .await;
    eventually("the first have gone", PATIENCE, async || held(&a).await + held(&b).await == 0)
        .await;

    let mut clients = come(&proxy, SOCKETS, "visitor").await;
    let (of_a, of_b) = (held(&a).await, held(&b).await);
    println!("{of_a} and {of_b} of {SOCKETS} sockets");
    assert_eq!(of_a + of_b, SOCKETS);
    assert!(of_a.abs_diff(of_b) <= SOCKETS / 10, "{of_a} and {of_b}");
    redis.publish("broadcast:notifications", r#"{"id":"to all of them"}"#).await;
    for client in &mut clients {
        assert_eq!(client.next_json().await["data"]["id"], "to all of them");
    }

    // Another replica, as with `--scale`, and one that leaves, as with `docker compose up` of a new image.
    let c = replica(&redis, 4, free).await;
    names.become_these(&[2, 3, 4]);
    eventually("the third is found", 3 * PATIENCE, async || {
        drop(come(&proxy, 1, "scout").await);
        c.metrics().await.count("campanile_connections_opened_total", &[]) > 0
    })
    .await;
    a.term();
    eventually("it says that it drains", PATIENCE, async || {
        a.ops_get("/readyz").await.status == 503
    })
    .await;
    let to = proxy.address();
    let mut returns = JoinSet::new();
    for (n, mut client) in clients.into_iter().enumerate() {
        returns.spawn(async move {
            while client.read().await.is_some_and(|message| !message.is_close()) {}
            Connect::to_address(to, "/ws").user(&format!("back{n}")).await
        });
    }
    let mut back = Vec::new();
    while back.len() < of_a {
        let returned = within("all of it come back", 3 * PATIENCE, returns.join_next()).await;
        let client = returned.expect("some are missing").expect("no panic");
        back.push(client.unwrap_or_else(|refused| panic!("{}", refused.text())));
    }
    assert!(a.wait_exit(3 * PATIENCE).await.success());
    assert_eq!(returns.len(), of_b, "others were cut off");
    assert_eq!(held(&b).await + held(&c).await, SOCKETS);
}
