//! Every open socket of a user gets each notification exactly once and in order; nobody else gets it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::redis::Redis;
use crate::support::swarm::Swarm;
use crate::support::{seed, token};

const BROADCAST: &str = "broadcast:notifications";
const USERS: usize = 200;
const NOTIFICATIONS: usize = 20_000;
/// Of these, one goes through `redis-cli`, the rest through one pipeline.
const CHUNK: usize = 200;

fn channel(user: &str) -> String {
    format!("user:{user}:notifications")
}

/// Numbers as most systems have them, and what a user id may hold besides.
fn user(number: usize) -> String {
    match number % 8 {
        0 => format!("tenant:{number}"),
        1 => format!("zoë-{number}-日本"),
        2 => format!("{number}%25 %2F"),
        3 => channel(&number.to_string()),
        _ => number.to_string(),
    }
}

/// The notification in a frame of either dialect.
fn notification(frame: &str) -> Value {
    let mut frame: Value = serde_json::from_str(frame).unwrap();
    let enveloped = frame["type"] == "notification" && frame["data"].is_object();
    if enveloped { frame["data"].take() } else { frame }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_20000_notifications_reaches_every_socket_of_its_user_once_and_in_order() {
    let mut rng = seed::rng();
    let redis = Redis::start().await;
    let replicas = [Gateway::start(&redis).await, Gateway::start(&redis).await];
    let mut sockets = Vec::new();
    for user in 0..USERS {
        for _ in 0..rng.usize(1..=4) {
            sockets.push((user, rng.usize(..2), ["/ws/notifications", "/api/ws"][rng.usize(..2)]));
        }
    }
    let swarm = Swarm::open(sockets.len(), |number| {
        let (owner, replica, path) = sockets[number];
        Connect::to(&replicas[replica], path).user(&user(owner))
    })
    .await;
    let (users, total) = (USERS as u64, sockets.len() as u64);
    for replica in &replicas {
        let after = replica.stats_become(users, total, Duration::from_secs(5)).await;
        println!("stats tell {users} users and {total} sockets {after:?} after the last open");
    }

    let mut expected = vec![Vec::new(); USERS];
    let mut connection = redis.connection().await;
    let started = Instant::now();
    for first in (0..NOTIFICATIONS).step_by(CHUNK) {
        let mut pipeline = redis::pipe();
        for number in first..first + CHUNK {
            let owner = rng.usize(..USERS);
            expected[owner].push(number.to_string());
            let payload = json!({ "id": number.to_string(), "type": "t", "message": "☎ \"x\"" });
            if number == first {
                let (channel, payload) = (channel(&user(owner)), payload.to_string());
                let heard = redis.cli(&["PUBLISH", &channel, &payload]).await;
                // Both listen to all users besides.
                let heard: usize = heard.parse().unwrap();
                assert!((1..=4).contains(&heard), "{heard} connections heard {channel}");
            } else {
                pipeline.publish(channel(&user(owner)), payload.to_string()).ignore();
            }
        }
        let () = pipeline.query_async(&mut connection).await.unwrap();
    }
    // Comes after all else on both replicas, so what a socket has when it has this is all it got.
    assert_eq!(redis.publish(BROADCAST, r#"{"id":"last"}"#).await, 2);
    let patience = Duration::from_secs(30);
    for (number, (owner, ..)) in sockets.iter().enumerate() {
        swarm.socket_has(number, expected[*owner].len() + 1, patience).await;
    }
    let took = started.elapsed();
    let mut deliveries = 0;
    for (number, (owner, _, path)) in sockets.iter().enumerate() {
        let name = user(*owner);
        let mut ids = Vec::new();
        for frame in swarm.frames(number) {
            let notification = notification(&frame.text);
            ids.push(notification["id"].as_str().unwrap().to_owned());
            if notification["id"] != "last" {
                assert_eq!(notification["user_id"], name, "{path}");
            }
        }
        assert_eq!(ids.pop().as_deref(), Some("last"), "socket {number} of {name:?} on {path}");
        assert_eq!(ids, expected[*owner], "socket {number} of {name:?} on {path}");
        deliveries += ids.len();
    }
    println!(
        "{NOTIFICATIONS} notifications, {deliveries} deliveries to {total} sockets in {took:?}"
    );

    drop(swarm);
    for replica in &replicas {
        let after = replica.stats_become(0, 0, Duration::from_secs(5)).await;
        println!("stats tell nobody {after:?} after the last close");
    }
}

/// Ids that mean something to a shell, a URL, a glob pattern or the channel template.
const ODD: [&str; 16] = [
    "42",
    "042",
    "a:b",
    ":",
    "user:42:notifications",
    "zoë",
    "日本語",
    "😀",
    "50%25",
    "%",
    "a b",
    "*",
    "?",
    "[a-z]",
    "{user_id}",
    "\\\"'",
];

#[tokio::test]
async fn odd_user_ids_get_their_own_notifications_and_no_others() {
    let redis = Redis::start().await;
    let replicas = [Gateway::start(&redis).await, Gateway::start(&redis).await];
    let mut clients = Vec::new();
    for user in ODD {
        clients.push((user, Client::user(&replicas[0], user).await));
        clients.push((user, Client::bare(&replicas[1], user).await));
    }
    for user in ODD {
        let payload = json!({ "id": user, "user_id": user }).to_string();
        assert_eq!(redis.publish(&channel(user), &payload).await, 2, "{user:?}");
    }
    redis.publish(BROADCAST, r#"{"id":"last"}"#).await;
    for (user, client) in &mut clients {
        assert_eq!(notification(&client.next_text().await)["id"], *user);
        assert_eq!(notification(&client.next_text().await)["id"], "last", "{user:?}");
    }
    let distinct: HashSet<_> = ODD.into_iter().collect();
    replicas[0]
        .stats_become(distinct.len() as u64, 2 * ODD.len() as u64, Duration::from_secs(5))
        .await;
}

#[tokio::test]
async fn a_numeric_user_id_in_a_token_and_its_text_are_the_same_user() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    for claims in [json!({ "user_id": 42 }), json!({ "userId": "42" }), json!({ "sub": "42" })] {
        let mut claims = claims;
        claims["exp"] = token::seconds_from_now(60).into();
        let handshake =
            Client::connect(&gateway, "/api/ws").token(token::hs256(&claims, token::SECRET));
        let mut client = handshake.await.unwrap_or_else(|refused| panic!("{}", refused.text()));
        assert_eq!(redis.publish("user:42:notifications", r#"{"user_id":42,"id":7}"#).await, 1);
        assert_eq!(client.next_json().await["id"], 7, "{claims}");
        client.close().await;
    }
}
