//! What both brokers promise, as one suite: the embedded one, and Redis.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::broker::log::{Change, Count, Retention};
use campanile::broker::memory::Memory;
use campanile::broker::redis::{Channels, Redis, Setup};
use campanile::broker::{Broker, Captured, Census, Emitted, Logged, Sink};
use campanile::config::{self, PubSub};
use campanile::hub::{Address, Hub, Membership};
use campanile::notification::{Invalid, Target, UserId};
use campanile::telemetry::Metrics;

use crate::support::redis::Redis as Server;
use crate::support::wait::{PATIENCE, eventually, within};

/// Writes down what it is given.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<String>>>);

impl Sink for Recorder {
    fn receive(&mut self, target: Target<'_>, channel: &str, payload: &[u8]) {
        let line = format!("{target:?} on {channel}: {}", String::from_utf8_lossy(payload));
        self.0.lock().unwrap().push(line);
    }

    fn logged(&mut self, logged: &Logged<'_>) {
        let Logged { user, cursor, before, count, id, payload } = logged;
        let payload = String::from_utf8_lossy(payload);
        let (at, follows) = (cursor.position, before.position);
        let line =
            format!("{user}: {id} at {at} after {follows}, {} unread: {payload}", count.unread);
        self.0.lock().unwrap().push(line);
    }

    fn captured(&mut self, captured: &Captured<'_>) {
        let Captured { user, cursor, before, count, id } = captured;
        let (at, follows) = (cursor.position, before.position);
        let line =
            format!("{user}: {id} captured at {at} after {follows}, {} unread", count.unread);
        self.0.lock().unwrap().push(line);
    }

    fn changed(&mut self, user: &str, change: &Change<'_>, count: Count) {
        self.0.lock().unwrap().push(format!("{user}: {change:?}, {} unread", count.unread));
    }

    fn oversized(&mut self, target: Target<'_>) {
        self.0.lock().unwrap().push(format!("{target:?} oversized"));
    }

    fn emitted(&mut self, emitted: &Emitted<'_>) {
        self.0.lock().unwrap().push(format!("{emitted:?}"));
    }

    fn misunderstood(&mut self, reason: Invalid) {
        self.0.lock().unwrap().push(format!("misunderstood: {reason}"));
    }

    fn flush(&mut self) {}

    fn relief(&self) -> Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }

    fn doubt(&mut self, user: &str) {
        self.0.lock().unwrap().push(format!("doubt {user}"));
    }

    fn disconnect(&mut self, user: &str) {
        self.0.lock().unwrap().push(format!("disconnect {user}"));
    }
}

impl Recorder {
    /// As [`has`](Self::has), of one user's log.
    pub(crate) async fn has_of(&self, user: &str, lines: &[&str]) {
        let start = format!("{user}: ");
        let of = || {
            let heard = self.0.lock().unwrap();
            heard.iter().filter(|line| line.starts_with(&start)).cloned().collect::<Vec<_>>()
        };
        eventually(&format!("{lines:?} heard"), PATIENCE, async || of() == lines).await;
    }

    async fn has_in_any_order(&self, lines: &[&str]) {
        let mut lines = lines.to_vec();
        lines.sort_unstable();
        let heard = || {
            let mut heard = self.0.lock().unwrap().clone();
            heard.sort_unstable();
            heard
        };
        eventually(&format!("{lines:?} heard"), PATIENCE, async || heard() == lines).await;
    }

    pub(crate) async fn has(&self, lines: &[&str]) {
        let what = format!("{lines:?} heard");
        eventually(&what, PATIENCE, async || *self.0.lock().unwrap() == lines).await;
    }
}

/// One replica's broker, with the hub it serves and what it heard.
pub(crate) struct Replica {
    pub(crate) broker: Broker,
    hub: Arc<Hub>,
    pub(crate) heard: Recorder,
    pubsub: PubSub,
}

const LIMIT: usize = 1000;
pub(crate) const RETENTION: Retention =
    Retention { size: 10, ttl: Duration::from_hours(1), mail_after: None };

/// The template of user channels.
fn template(pubsub: PubSub) -> &'static str {
    match pubsub {
        PubSub::Classic => "user:{user_id}:notifications",
        PubSub::Sharded => "user:{{user_id}}:notifications",
    }
}

fn channels(pubsub: PubSub) -> Channels {
    Channels::new(template(pubsub), "broadcast:notifications", "c:")
}

impl Replica {
    pub(crate) fn memory() -> Self {
        Self::memory_keeping(RETENTION)
    }

    pub(crate) fn memory_keeping(retention: Retention) -> Self {
        let (hub, heard) = (Hub::new(), Recorder::default());
        let broker = Memory::start(
            hub.clone(),
            Box::new(heard.clone()),
            channels(PubSub::Classic),
            retention,
        );
        Self { broker: Broker::Memory(broker), hub, heard, pubsub: PubSub::Classic }
    }

    pub(crate) async fn redis(server: &Server, name: &str) -> Self {
        Self::redis_keeping(server, name, RETENTION).await
    }

    pub(crate) async fn redis_keeping(server: &Server, name: &str, retention: Retention) -> Self {
        Self::at(&server.url(), PubSub::Classic, name, retention).await
    }

    /// The Redis of whatever topology that `url` names.
    pub(crate) async fn at(url: &str, pubsub: PubSub, name: &str, retention: Retention) -> Self {
        let (hub, heard) = (Hub::new(), Recorder::default());
        let config = config::Redis {
            url: Some(config::Secret::new(url)),
            ca_file: None,
            cert_file: None,
            key_file: None,
            prefix: "c:".into(),
            grace: Duration::from_secs(10),
            pubsub,
        };
        let setup = Setup {
            channels: channels(pubsub),
            replica: name.into(),
            max_payload_bytes: LIMIT,
            retention,
            recorder: None,
            metrics: Arc::new(Metrics::new().unwrap()),
        };
        let broker = Redis::start(&config, setup, hub.clone(), Box::new(heard.clone())).unwrap();
        let replica = Self { broker: Broker::Redis(broker), hub, heard, pubsub };
        eventually("the link is up", PATIENCE, async || replica.broker.link().is_up()).await;
        replica
    }

    pub(crate) async fn join(&self, user: &str, slot: u32) -> Membership {
        let user = UserId::new(user).unwrap();
        let mut member =
            self.hub.join(&user, Address { lane: 0, slot, generation: 0, counts: true });
        within("the subscription", PATIENCE, member.subscribed()).await;
        member
    }

    async fn counts(&self, users: u64, connections: u64) {
        let want = Census { users, connections };
        let what = format!("{want:?}");
        eventually(&what, PATIENCE, async || self.broker.census().await.unwrap() == want).await;
    }
}

pub(crate) async fn the_contract(replica: Replica) {
    let Replica { broker, heard, .. } = &replica;
    let user = UserId::new("42").unwrap();

    let first = replica.join("42", 1).await;
    broker.publish(Target::User("42"), r#"{"n":1}"#).await.unwrap();
    let two = [(Target::User("42"), r#"{"n":2}"#), (Target::Broadcast, r#"{"n":3}"#)];
    assert_eq!(broker.publish_all(&two).await.unwrap().len(), 2);
    let name = template(replica.pubsub).replace("{user_id}", "42");
    let mine = [1, 2].map(|n| format!(r#"User("42") on {name}: {{"n":{n}}}"#));
    let all = [&mine[0], &mine[1], r#"Broadcast on broadcast:notifications: {"n":3}"#];
    match replica.pubsub {
        PubSub::Classic => heard.has(&all).await,
        // The two channels come by two ways.
        PubSub::Sharded => heard.has_in_any_order(&all).await,
    }

    let second = replica.join("42", 2).await;
    let other = replica.join("ü:1", 3).await;
    let claim = broker.claim(&user).await;
    assert_eq!(claim.elsewhere, 0);
    replica.counts(2, 3).await;
    assert_eq!(broker.connections_of(&user).await.unwrap(), 2);

    broker.disconnect(&user).await.unwrap();
    let said = || heard.0.lock().unwrap().last().cloned();
    eventually("the order", PATIENCE, async || said().as_deref() == Some("disconnect 42")).await;

    drop((first, second, other));
    replica.counts(0, 0).await;
    assert_eq!(broker.connections_of(&user).await.unwrap(), 0);
    broker.stop().await;
}

#[tokio::test]
async fn the_embedded_broker_keeps_the_contract() {
    the_contract(Replica::memory()).await;
}

#[tokio::test]
async fn redis_keeps_the_contract() {
    let server = Server::start().await;
    the_contract(Replica::redis(&server, "r1").await).await;
}

#[tokio::test]
async fn two_replicas_on_one_redis_hear_the_same_and_count_together() {
    let server = Server::start().await;
    let (one, two) = tokio::join!(Replica::redis(&server, "r1"), Replica::redis(&server, "r2"));
    let here = one.join("42", 1).await;
    let there = two.join("42", 1).await;
    let _other = two.join("43", 2).await;
    one.broker.publish(Target::User("42"), "{}").await.unwrap();
    two.broker.publish(Target::User("43"), "{}").await.unwrap();
    one.heard.has(&[r#"User("42") on user:42:notifications: {}"#]).await;
    two.heard
        .has(&[
            r#"User("42") on user:42:notifications: {}"#,
            r#"User("43") on user:43:notifications: {}"#,
        ])
        .await;
    one.counts(2, 3).await;
    assert_eq!(one.broker.claim(&UserId::new("42").unwrap()).await.elsewhere, 1);
    drop(here);
    two.counts(2, 2).await;
    drop(there);
    one.counts(1, 1).await;
}

#[tokio::test]
async fn a_payload_beyond_the_limit_is_skipped_and_the_next_is_heard() {
    let server = Server::start().await;
    let replica = Replica::redis(&server, "r1").await;
    let _member = replica.join("42", 1).await;
    // The log's messages have facts and an id before the payload, so twice the limit is read.
    let big = "x".repeat(2 * LIMIT + 200);
    let huge = "x".repeat(5_000_000);
    for payload in [big.as_str(), "{}", huge.as_str(), r#"{"last":1}"#] {
        replica.broker.publish(Target::User("42"), payload).await.unwrap();
    }
    replica
        .heard
        .has(&[
            r#"User("42") oversized"#,
            r#"User("42") on user:42:notifications: {}"#,
            r#"User("42") oversized"#,
            r#"User("42") on user:42:notifications: {"last":1}"#,
        ])
        .await;
}

/// Joins `count` users and waits until all are heard and counted.
async fn crowd(replica: &Replica, count: u32) -> Vec<Membership> {
    let mut members: Vec<Membership> = (0..count)
        .map(|slot| {
            let user = UserId::new(&format!("{slot}-{}", "x".repeat(200))).unwrap();
            replica.hub.join(&user, Address { lane: 0, slot, generation: 0, counts: true })
        })
        .collect();
    for member in &mut members {
        within("the subscription", PATIENCE, member.subscribed()).await;
    }
    replica.counts(count.into(), count.into()).await;
    members
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_many_users_counts_them_anew_after_its_link_was_cut() {
    let server = Server::start().await;
    let replica = Replica::redis(&server, "r1").await;
    let members = crowd(&replica, 20_000).await;
    assert_eq!(server.client_kill_pubsub().await, 1);
    eventually("the link is cut", PATIENCE, async || !replica.broker.link().is_up()).await;
    eventually("the link is up", PATIENCE, async || replica.broker.link().is_up()).await;
    let heartbeat = redis::Cmd::zscore("c:{presence}:replicas", "r1");
    let before: Option<f64> = server.ask(&heartbeat).await;
    eventually("a heartbeat, which ends the recount", PATIENCE, async || {
        let now: Option<f64> = server.ask(&heartbeat).await;
        now.is_some() && now > before
    })
    .await;
    replica.counts(20_000, 20_000).await;
    drop(members);
    replica.counts(0, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmations_are_read_while_a_crowd_is_subscribed_anew() {
    // 60,000 confirmations of 260 bytes are 15 MB. A reader takes them as they come; one that only asks
    // leaves them to Redis, which cuts the link.
    let limit = "client-output-buffer-limit pubsub 4mb 0 0";
    let server = Server::builder().config(limit).start().await;
    let replica = Replica::redis(&server, "r1").await;
    let members = crowd(&replica, 60_000).await;
    assert_eq!(server.client_kill_pubsub().await, 1);
    eventually("the link is cut", PATIENCE, async || !replica.broker.link().is_up()).await;
    eventually("the link is up", PATIENCE, async || replica.broker.link().is_up()).await;
    assert!(!server.log().contains("output buffer limits"), "{}", server.log());
    drop(members);
}
