//! What `campanile check` asks: who is there, in which version, and whether a replica may do its work.

use redis::{InfoDict, Value};

use super::channels::Channels;
use super::commands::{Commands, keyed};
use super::connect::Node;
use super::nodes::{COMMAND_TIMEOUT, Call};
use super::slots::{Map, SLOTS, slot};
use crate::broker::Away;
use crate::config::SocketIoAdapter;
use crate::notification::UserId;

/// Name of the replica, and of the user, in whose place is asked.
const NAME: &str = "campanile-check";

impl Commands {
    /// What there is between the configuration and the servers, a line each; a problem is an `Err`.
    pub async fn topology(&self) -> Vec<Result<String, String>> {
        let mut lines = Vec::new();
        for (sentinel, answer) in self.nodes.topology.sentinels().await {
            lines.push(match answer {
                Ok(master) => Ok(format!("the sentinel {sentinel} names {master}")),
                Err(why) => Err(why),
            });
        }
        match self.measured("check", self.nodes.map()).await {
            Ok(map) if self.nodes.topology.is_cluster() => lines.push(coverage(&map)),
            Ok(_) => {}
            Err(Away(why)) => lines.push(Err(format!("who the master is cannot be found: {why}"))),
        }
        lines
    }

    /// `INFO server`'s version of each server that is a master, or its replica in a cluster, such as
    /// `7.0.15`; with its `host:port`.
    pub async fn versions(&self) -> Result<Vec<(String, Result<String, Away>)>, Away> {
        let map = self.measured("check", self.nodes.map()).await?;
        let mut versions = Vec::new();
        for node in map.masters().iter().chain(map.replicas()) {
            versions.push((node.to_string(), self.version(node).await));
        }
        Ok(versions)
    }

    async fn version(&self, node: &Node) -> Result<String, Away> {
        let mut command = redis::cmd("INFO");
        command.arg("server");
        let (info,): (InfoDict,) = self.on("check", node, vec![command]).await?;
        info.get("redis_version").ok_or_else(|| Away("the answer has no version".into()))
    }

    /// Tries on every master, without leaving a trace, what a replica does; each with what came of it.
    /// `inbox`: whether there is one; `capturing`: whether plain notifications go there.
    pub async fn permissions(
        &self,
        inbox: bool,
        capturing: bool,
    ) -> Vec<(&'static str, Result<(), Away>)> {
        let map = match self.measured("check", self.nodes.map()).await {
            Ok(map) => map,
            Err(away) => return vec![("ask who the master is", Err(away))],
        };
        let mut tried = vec![
            ("publish", self.may_publish(&map).await),
            ("subscribe", self.measured("check", self.may_subscribe(&map)).await),
            ("run scripts", self.may_run_scripts(&map).await),
        ];
        if self.channels.adapter() != SocketIoAdapter::Off {
            let result = self.measured("check", self.may_hear_adapter(&map)).await;
            tried.push(("subscribe to the channels of the Socket.IO adapter", result));
        }
        if inbox {
            tried.push(("register the function", self.may_register(&map).await));
        }
        if capturing && !self.is_sharded() {
            let result = self.measured("check", self.may_capture(&map)).await;
            tried.push(("subscribe by pattern, to keep plain notifications", result));
        }
        tried
    }

    async fn may_publish(&self, map: &Map) -> Result<(), Away> {
        let channels = &self.channels;
        let mut calls = vec![
            self.saying(&channels.probe(NAME), ""),
            self.saying(&channels.user(NAME), "{}"),
            self.saying(&channels.control(), r#"{"nothing":{}}"#),
        ];
        calls.extend(self.names_on_each(map).iter().map(|name| self.saying(name, "")));
        self.run::<Value>("check", calls).await.map(|_| ())
    }

    async fn may_subscribe(&self, map: &Map) -> Result<(), Away> {
        if self.is_sharded() {
            return self.may_subscribe_to_shards(map).await;
        }
        for node in map.masters() {
            let client = redis::Client::open(self.nodes.topology.door.info(node))?;
            let mut pubsub = client.get_async_pubsub().await?;
            for channel in self.all_channels() {
                pubsub.subscribe(channel).await?;
            }
        }
        Ok(())
    }

    /// With sharded channels only what is no cluster gets here.
    async fn may_hear_adapter(&self, map: &Map) -> Result<(), Away> {
        let rooms = [UserId::new(NAME).map_err(|error| Away(error.to_string()))?];
        let channels = self.channels.namespaces().into_iter().chain(self.channels.rooms(&rooms));
        let channels: Vec<String> = channels.collect();
        for node in map.masters() {
            if self.channels.adapter() == SocketIoAdapter::Sharded {
                // Not a pooled one: it can do nothing else from here on.
                let mut connection = self.nodes.topology.door.ask(node, COMMAND_TIMEOUT).await?;
                let answers = Channels::answers("/ws", NAME);
                redis::cmd("SPUBLISH").arg(answers).arg("").exec_async(&mut connection).await?;
                redis::cmd("SSUBSCRIBE").arg(&channels).exec_async(&mut connection).await?;
                continue;
            }
            let client = redis::Client::open(self.nodes.topology.door.info(node))?;
            let mut pubsub = client.get_async_pubsub().await?;
            pubsub.subscribe(&channels).await?;
            pubsub.psubscribe(self.channels.requests()).await?;
        }
        Ok(())
    }

    async fn may_capture(&self, map: &Map) -> Result<(), Away> {
        for node in map.masters() {
            let client = redis::Client::open(self.nodes.topology.door.info(node))?;
            let mut pubsub = client.get_async_pubsub().await?;
            pubsub.psubscribe(self.channels.every_user()).await?;
            for pattern in self.channels.every_room() {
                pubsub.psubscribe(pattern).await?;
            }
        }
        Ok(())
    }

    async fn may_subscribe_to_shards(&self, map: &Map) -> Result<(), Away> {
        for channel in self.all_channels().into_iter().chain(self.names_on_each(map)) {
            let Some(node) = map.owner(slot(&channel)) else { continue };
            // Not a pooled one: it can do nothing else from here on.
            let mut connection = self.nodes.topology.door.ask(node, COMMAND_TIMEOUT).await?;
            redis::cmd("SSUBSCRIBE").arg(channel).exec_async(&mut connection).await?;
        }
        Ok(())
    }

    fn all_channels(&self) -> [String; 4] {
        let channels = &self.channels;
        [
            channels.user(NAME),
            channels.broadcast().to_owned(),
            channels.control(),
            channels.probe(NAME),
        ]
    }

    /// Tries on every master, without leaving a trace, what mail takes besides.
    pub async fn may_mail(&self) -> Result<(), Away> {
        const SCRIPT: &str = "redis.call('ZREM', KEYS[1], 'x') redis.call('ZCOUNT', KEYS[1], 0, 1) \
            redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, 1) redis.call('LPUSH', KEYS[1], 'x') \
            redis.call('LTRIM', KEYS[1], 0, 1) redis.call('DEL', KEYS[1])";
        let map = self.measured("check", self.nodes.map()).await?;
        self.may_run(SCRIPT, &map).await
    }

    async fn may_run_scripts(&self, map: &Map) -> Result<(), Away> {
        const SCRIPT: &str =
            "redis.call('HDEL', KEYS[1], 'x') redis.call('HRANDFIELD', KEYS[1], 1)";
        self.may_run(SCRIPT, map).await
    }

    async fn may_run(&self, script: &str, map: &Map) -> Result<(), Away> {
        let calls: Vec<Call> = self
            .names_on_each(map)
            .iter()
            .map(|key| {
                let Call { mut command, .. } = keyed("EVAL", script, &["1"]);
                command.arg(key);
                Call { slot: slot(key), command }
            })
            .collect();
        self.run::<Value>("check", calls).await.map(|_| ())
    }

    async fn may_register(&self, map: &Map) -> Result<(), Away> {
        for node in map.masters() {
            // Refused for what it is, if not for who asks.
            match self.load_library(node, "no library").await {
                Err(Away(why)) if !why.contains("library metadata") => return Err(Away(why)),
                _ => {}
            }
        }
        Ok(())
    }

    /// A name of ours in a slot of every master.
    fn names_on_each(&self, map: &Map) -> Vec<String> {
        let on = |node: &Node| {
            let mut names = (0..SLOTS).map(|n| self.channels.check(n));
            names.find(|name| map.owner(slot(name)) == Some(node))
        };
        map.masters().iter().filter_map(on).collect()
    }
}

fn coverage(map: &Map) -> Result<String, String> {
    let (masters, replicas, covered) = (map.masters().len(), map.replicas().len(), map.covered());
    let text =
        format!("{masters} masters and {replicas} replicas, which have {covered} of {SLOTS} slots");
    if covered == usize::from(SLOTS) { Ok(text) } else { Err(text) }
}
