//! What is asked of Redis. Every command has a deadline, and its round trip is measured.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use redis::{Cmd, FromRedisValue, RedisError, Script, Value};
use tokio::time::timeout;

use super::Order;
use super::channels::Channels;
use super::connect::{BadEndpoint, Node};
use super::nodes::{COMMAND_TIMEOUT, Call, Nodes};
use super::slots::slot;
use super::topology::Topology;
use crate::broker::{Away, Census};
use crate::config::PubSub;
use crate::notification::{Target, UserId};
use crate::telemetry::Metrics;

/// A client of the shared Redis that publishes and asks; it does not listen.
pub struct Commands {
    pub(super) nodes: Arc<Nodes>,
    pub(super) channels: Channels,
    metrics: Arc<Metrics>,
    pubsub: PubSub,
}

impl Commands {
    /// For programs that publish without being a replica.
    ///
    /// # Errors
    /// The URL or a certificate cannot be used. Redis itself is not asked yet.
    pub fn new(
        config: &crate::config::Redis,
        channels: Channels,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BadEndpoint> {
        let nodes = Arc::new(Nodes::new(Topology::new(config)?));
        let channels = if nodes.topology.is_cluster() { channels.for_cluster() } else { channels };
        Ok(Self { nodes, channels, metrics, pubsub: config.pubsub })
    }

    /// What the configuration names, for people: `host:port`, or who knows the masters.
    pub fn address(&self) -> String {
        self.nodes.topology.to_string()
    }

    /// Publishes in order; how many subscribers each had.
    pub async fn publish(&self, items: &[(Target<'_>, &str)]) -> Result<Vec<u64>, Away> {
        let calls: Vec<Call> = items
            .iter()
            .map(|(target, payload)| self.saying(&self.channels.of(*target), payload))
            .collect();
        self.run("publish", calls).await
    }

    pub(super) async fn order(&self, order: &Order) -> Result<(), Away> {
        let text = serde_json::to_string(order).map_err(|error| Away(error.to_string()))?;
        let call = self.saying(&self.channels.control(), &text);
        self.run::<(u64,)>("publish", vec![call]).await.map(|_| ())
    }

    /// Says each on its channel, sharded whatever the replicas themselves use.
    pub(super) async fn publish_sharded(&self, items: &[(String, String)]) -> Result<(), Away> {
        let calls = items.iter().map(|(channel, text)| keyed("SPUBLISH", channel, &[text]));
        self.run::<Vec<u64>>("publish", calls.collect()).await.map(|_| ())
    }

    pub(super) async fn probe(&self, replica: &str, number: u64) -> Result<(), Away> {
        let call = self.saying(&self.channels.probe(replica), &number.to_string());
        self.run::<(u64,)>("publish", vec![call]).await.map(|_| ())
    }

    /// Where to PUBLISH does not matter, but what is said in order stays so if it takes one way.
    pub(super) fn saying(&self, channel: &str, payload: &str) -> Call {
        let mut command = redis::cmd(self.publish_word());
        command.arg(channel).arg(payload);
        let way = if self.is_sharded() { channel } else { self.channels.broadcast() };
        Call { slot: slot(way), command }
    }

    pub(super) fn publish_word(&self) -> &'static str {
        if self.is_sharded() { "SPUBLISH" } else { "PUBLISH" }
    }

    pub(super) fn is_sharded(&self) -> bool {
        self.pubsub == PubSub::Sharded
    }

    pub(super) async fn census(&self) -> Result<Census, Away> {
        let (users, total) = (self.channels.presence_users(), self.channels.presence_total());
        let calls = vec![keyed("HLEN", &users, &[]), keyed("GET", &total, &[])];
        let (users, connections): (u64, Option<u64>) = self.run("census", calls).await?;
        Ok(Census { users, connections: connections.unwrap_or_default() })
    }

    pub(super) async fn connections_of(&self, user: &UserId) -> Result<u64, Away> {
        let call = keyed("HGET", &self.channels.presence_users(), &[user.as_str()]);
        let (count,): (Option<u64>,) = self.run("presence", vec![call]).await?;
        Ok(count.unwrap_or_default())
    }

    /// Whether one of these keys, all of one slot, does not exist.
    pub(super) async fn any_missing(&self, keys: &[String]) -> Result<bool, Away> {
        let Some((first, others)) = keys.split_first() else { return Ok(false) };
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let (existing,): (usize,) =
            self.run("lease", vec![keyed("EXISTS", first, &others)]).await?;
        Ok(existing < keys.len())
    }

    /// Registers a library of functions on one node, in place of what it was before.
    pub(super) async fn load_library(&self, node: &Node, library: &str) -> Result<(), Away> {
        let mut command = redis::cmd("FUNCTION");
        command.arg("LOAD").arg("REPLACE").arg(library);
        self.on::<(String,)>("function", node, vec![command]).await.map(|_| ())
    }

    /// Appends through the registered function; the cursor.
    pub async fn notify(&self, user: &UserId, payload: &str) -> Result<String, Away> {
        let mut command = redis::cmd("FCALL");
        command.arg(self.channels.function("notify")).arg(1).arg(user.as_str()).arg(payload);
        let call = Call { slot: slot(user.as_str()), command };
        self.run::<(String,)>("fcall", vec![call]).await.map(|(cursor,)| cursor)
    }

    /// Runs a script by its hash. All keys have the slot of the first.
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        command: &'static str,
        script: &Arc<Script>,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, Away> {
        let calls = vec![evalsha(script, keys, |call| {
            call.arg(arguments);
        })];
        let (answer,) = self.scripted(command, script, calls).await?;
        Ok(answer)
    }

    /// Runs several calls of one script.
    pub(super) async fn scripted<T: FromRedisValue>(
        &self,
        command: &'static str,
        script: &Arc<Script>,
        calls: Vec<Call>,
    ) -> Result<T, Away> {
        read(self.measured(command, self.nodes.run(calls, Some(script))).await?)
    }

    pub(super) async fn run<T: FromRedisValue>(
        &self,
        command: &'static str,
        calls: Vec<Call>,
    ) -> Result<T, Away> {
        read(self.measured(command, self.nodes.run(calls, None)).await?)
    }

    /// As [`run`](Self::run), on this node.
    pub(super) async fn on<T: FromRedisValue>(
        &self,
        command: &'static str,
        node: &Node,
        commands: Vec<Cmd>,
    ) -> Result<T, Away> {
        let values = self.measured(command, self.nodes.on(node, commands)).await?;
        let refused = values.iter().find_map(|value| match value {
            Value::ServerError(error) => Some(RedisError::from(error.clone())),
            _ => None,
        });
        refused.map_or_else(|| read(values), |error| Err(error.into()))
    }

    pub(super) async fn measured<T>(
        &self,
        command: &'static str,
        run: impl Future<Output = Result<T, Away>>,
    ) -> Result<T, Away> {
        let started = Instant::now();
        let result = timeout(COMMAND_TIMEOUT, run)
            .await
            .unwrap_or_else(|_elapsed| Err(Away(format!("no answer within {COMMAND_TIMEOUT:?}"))));
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.redis_command_seconds.with_label_values(&[command]).observe(seconds);
        result
    }
}

/// A call of `script` on these keys, all of one slot; `arguments` adds what follows them.
pub(super) fn evalsha(script: &Script, keys: &[String], arguments: impl FnOnce(&mut Cmd)) -> Call {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.get_hash()).arg(keys.len()).arg(keys);
    arguments(&mut command);
    Call { slot: keys.first().map_or(0, |key| slot(key)), command }
}

/// A command on one key.
pub(super) fn keyed(name: &str, key: &str, arguments: &[&str]) -> Call {
    let mut command = redis::cmd(name);
    command.arg(key).arg(arguments);
    Call { slot: slot(key), command }
}

fn read<T: FromRedisValue>(values: Vec<Value>) -> Result<T, Away> {
    redis::from_redis_value(Value::Array(values)).map_err(|error| Away(error.to_string()))
}

impl From<RedisError> for Away {
    fn from(error: RedisError) -> Self {
        Self(error.to_string())
    }
}
