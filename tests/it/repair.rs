//! Open sockets whose replica did not hear for a moment: the log is read, and what they miss delivered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile::broker::Broker;
use campanile::broker::log::{Item, Retention};
use campanile::broker::redis::{Channels, Redis, Setup};
use campanile::config;
use campanile::hub::{Address, Hub, Letter, Mailbox};
use campanile::notification::UserId;
use campanile::recovery::{Ask, Recovery, Start, discarding};
use campanile::router::Router;
use campanile::telemetry::Metrics;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::notify::notify;
use crate::support::proxy::Proxy;
use crate::support::redis::Redis as Server;
use crate::support::swarm::Swarm;
use crate::support::wait::{PATIENCE, eventually, within};

/// A replica without sockets: hub, router and broker, and the mailbox of its only worker.
struct Replica {
    broker: Broker,
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    recovery: Recovery,
}

fn redis(url: &str) -> config::Redis {
    config::Redis {
        url: Some(url.to_owned().into()),
        ca_file: None,
        cert_file: None,
        key_file: None,
        prefix: "c:".into(),
        pubsub: config::PubSub::Classic,
        grace: Duration::from_secs(10),
    }
}

impl Replica {
    async fn start(url: &str, name: &str) -> Self {
        let (hub, metrics) = (Hub::new(), Arc::new(Metrics::new().unwrap()));
        let (_, mailbox) = hub.add_lane();
        let setup = Setup {
            channels: Channels::new("user:{user_id}:notifications", "broadcast", "c:"),
            replica: name.into(),
            max_payload_bytes: 1000,
            retention: Retention { size: 200, ttl: Duration::from_hours(1), mail_after: None },
            recorder: None,
            metrics: metrics.clone(),
        };
        let (discarder, waiting) = discarding();
        let router = Router::new(hub.clone(), metrics.clone(), 1000, discarder.clone());
        let router = Box::new(router);
        let broker = Redis::start(&redis(url), setup, hub.clone(), router).unwrap();
        let broker = Broker::Redis(broker);
        let recovery = Recovery::start(&broker, true, &hub, &metrics, (discarder, waiting));
        let replica = Self { broker, hub, mailbox, recovery };
        eventually("the link is up", PATIENCE, async || replica.broker.link().is_up()).await;
        replica
    }
}

fn user(number: u32) -> UserId {
    UserId::new(&format!("u{number}")).unwrap()
}

async fn append_for_all(broker: &Broker, users: &[UserId], id: &str) {
    let payload = format!(r#"{{"id":"{id}","message":"an ordinary one of some length"}}"#);
    for users in users.chunks(256) {
        let item = |user| Item { user, id, payload: &payload };
        let items: Vec<Item<'_>> = users.iter().map(item).collect();
        broker.append(&items).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_logs_are_repaired_within_two_seconds_of_the_link() {
    const USERS: u32 = 20_000;
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await;
    let replica = Replica::start(&server.url_through(proxy.address()), "r1").await;
    let publisher = Replica::start(&server.url(), "r2").await;
    let users: Vec<UserId> = (0..USERS).map(user).collect();
    let mut members = Vec::new();
    for (slot, user) in (0..).zip(&users) {
        members
            .push(replica.hub.join(user, Address { lane: 0, slot, generation: 0, counts: true }));
    }
    for members in members.chunks_mut(512) {
        let read = members.iter_mut().map(async |member| {
            member.subscribed().await;
            let ask = Ask { user: member.user().clone(), start: Start::Newest };
            member.stands(&replica.recovery.read(ask).await.unwrap().summary);
        });
        within("their logs are read", PATIENCE, join_all(read)).await;
    }
    let (mut letters, mut worst) = (Vec::new(), Duration::ZERO);
    let mut heard: HashMap<u32, Vec<String>> = HashMap::new();
    for round in 1..=3 {
        let id = format!("n{round}");
        append_for_all(&publisher.broker, &users[..100], &format!("live{round}")).await;
        proxy.cut().await;
        eventually("the link is cut", PATIENCE, async || !replica.broker.link().is_up()).await;
        append_for_all(&publisher.broker, &users, &id).await;
        let back = Instant::now();
        proxy.restore().await;
        let mut missing = users.len();
        while missing > 0 {
            let what = format!("{missing} users miss {id}");
            within(&what, PATIENCE, replica.mailbox.take(&mut letters)).await;
            replica.mailbox.done(letters.len());
            for letter in letters.drain(..) {
                let Letter::Deliver(address, parcel) = letter else { panic!("{letter:?}") };
                let Some(notification) = parcel.notification() else { continue };
                missing -= usize::from(*notification.id_text() == *id);
                let ids = heard.entry(address.slot).or_default();
                ids.push(notification.id_text().into_owned());
            }
        }
        let took = back.elapsed();
        println!("round {round}: {USERS} users had what they missed {took:?} after Redis was back");
        worst = worst.max(took);
    }
    assert!(worst < Duration::from_secs(4), "{worst:?}");
    for (slot, ids) in &heard {
        let expected: Vec<String> = (1..=3)
            .flat_map(|n| [(*slot < 100).then(|| format!("live{n}")), Some(format!("n{n}"))])
            .flatten()
            .collect();
        assert_eq!(*ids, expected, "user {slot}");
    }
    eventually("nothing is in doubt", PATIENCE, async || replica.hub.doubtful() == 0).await;
}

/// Of each socket's frames the ids, in order.
fn ids(swarm: &Swarm, socket: usize) -> Vec<String> {
    let frames = swarm.frames(socket);
    let frames = frames.iter().map(|frame| serde_json::from_str::<Value>(&frame.text).unwrap());
    let of = |frame: Value| frame["data"]["notification_id"].as_str().map(str::to_owned);
    frames.filter(|frame| frame["type"] == "notification").filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_cut_under_a_thousand_notifications_a_second_delay_none_by_two_seconds() {
    const USERS: usize = 5_000;
    const RATE: usize = 1_000;
    const SECONDS: usize = 10;
    let server = Server::start().await;
    let (a, b) = (Gateway::start(&server).await, Gateway::start(&server).await);
    let swarm = Swarm::open(USERS, |user| {
        let replica = if user % 2 == 0 { &a } else { &b };
        Connect::to(replica, "/ws/notifications").user(&user.to_string())
    })
    .await;
    notify(&server, "nobody", &json!({})).await;
    let mut connection = server.connection().await;
    let started = Instant::now();
    let mut published: Vec<(usize, Instant)> = Vec::new();
    let mut kills = 0;
    for number in 0..RATE * SECONDS {
        let due = started + Duration::from_secs(1) * u32::try_from(number).unwrap() / 1000;
        tokio::time::sleep_until(due.into()).await;
        if number % RATE == RATE / 2 {
            kills += server.client_kill_pubsub().await;
        }
        let user = (number * 7919) % USERS;
        let mut call = redis::cmd("FCALL");
        call.arg("campanile_notify").arg(1).arg(user.to_string());
        call.arg(format!(r#"{{"id":"{number}"}}"#));
        let _: String = call.query_async(&mut connection).await.unwrap();
        published.push((user, Instant::now()));
    }
    let mut expected: HashMap<usize, Vec<String>> = HashMap::new();
    for (number, (user, _)) in published.iter().enumerate() {
        expected.entry(*user).or_default().push(number.to_string());
    }
    let all = published.len();
    eventually("everything arrives", Duration::from_secs(30), async || {
        swarm.counts().iter().sum::<usize>() >= all
    })
    .await;
    let mut worst = Duration::ZERO;
    for user in 0..USERS {
        assert_eq!(ids(&swarm, user), expected.remove(&user).unwrap_or_default(), "user {user}");
        for frame in swarm.frames(user) {
            let value: Value = serde_json::from_str(&frame.text).unwrap();
            let number: usize = value["data"]["id"].as_str().unwrap().parse().unwrap();
            worst = worst.max(frame.at.saturating_duration_since(published[number].1));
        }
    }
    println!("{kills} links cut while {all} were published at {RATE}/s; worst delay {worst:?}");
    assert!(kills >= 2 * (SECONDS - 1), "{kills}");
    assert!(worst < Duration::from_secs(2), "{worst:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_something_with_redis_is_told_and_gets_the_state() {
    let server = Server::start().await;
    let replica = Gateway::start(&server).await;
    let (mut v1, greeting) = Client::v1(&replica, "42", "").await;
    let mut envelope = Client::user(&replica, "42").await;
    let mut bare = Client::bare(&replica, "42").await;
    let (mut other, _) = Client::v1(&replica, "43", "").await;
    let notify = async |id: &str| notify(&server, "42", &json!({"id": id})).await;
    let cursor = notify("a").await;
    assert_eq!(v1.next_of("notification").await["data"]["cursor"], cursor);
    let before = v1.next_of("unread_count").await["data"]["version"].as_u64().unwrap();
    assert!(before > greeting["data"]["version"].as_u64().unwrap());
    assert_eq!(envelope.next_of("notification").await["data"]["id"], "a");
    assert_eq!(bare.next_json().await["id"], "a");

    server.restart().await;
    let told = v1.next_of("connected").await;
    assert_eq!(told["data"]["recovered"], false, "{told}");
    assert_eq!(
        (&told["data"]["unread_count"], &told["data"]["cursor"]),
        (&0.into(), &"0-0".into())
    );
    let version = told["data"]["version"].as_u64().unwrap();
    assert!(version > before);
    assert_eq!(envelope.next_of("unread_count").await["data"]["count"], 0);
    let again = notify("b").await;
    assert!(again.starts_with("1-"), "{again}");
    assert_eq!(v1.next_of("notification").await["data"]["id"], "b");
    assert!(v1.next_of("unread_count").await["data"]["version"].as_u64().unwrap() > version);
    assert_eq!(envelope.next_of("notification").await["data"]["id"], "b");
    assert_eq!(bare.next_json().await["id"], "b");
    // Who had nothing to lose is told nothing.
    self::notify(&server, "43", &json!({})).await;
    assert_eq!(other.next_json().await["type"], "notification");
    let metrics = replica.metrics().await;
    assert_eq!(metrics.count("campanile_replays_total", &[("result", "lost_while_open")]), 1);

    // Resuming after what is gone says so, and gives what there is.
    let (mut client, told) = Client::v1(&replica, "42", &format!("?cursor={cursor}")).await;
    assert_eq!((&told["data"]["recovered"], &told["data"]["replayed"]), (&false.into(), &1.into()));
    assert_eq!(client.next_of("notification").await["data"]["id"], "b");
    assert_eq!(told["data"]["cursor"], cursor, "its own, until it has what follows");
    assert_ne!(cursor, again);
}
