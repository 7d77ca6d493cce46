//! Commands on pooled connections, each to the master that has its slot. What a failover or a moved slot
//! makes fail is tried again where it belongs now.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::{Hook, Manager, Pool, PoolConfig, Runtime, Timeouts};
use redis::{AsyncConnectionConfig, Cmd, RedisError, Script, Value};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::connect::{CONNECT_TIMEOUT, Node};
use super::pipeline::{Batch, Redirect, Remedy, Sent, remedy};
use super::slots::Map;
use super::topology::Topology;
use crate::broker::Away;

/// Connections for commands, to one node. Each is lent to one command or pipeline at a time.
const POOL_SIZE: usize = 16;
/// How long one command, or one pipeline, may take, waiting for a connection included.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one answer may take: there is time for a second try. A batch may be of megabytes.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long finding out who the masters are may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often that is tried at most.
const RESOLVE_EVERY: Duration = Duration::from_millis(50);
/// Pause before what failed is tried once more, and what waits for a slot that is being moved.
const PAUSE: Duration = Duration::from_millis(100);
/// Redirections that one command follows.
const MAX_HOPS: usize = 8;

/// One command. All its keys, and its sharded channel, are in `slot`.
pub(super) struct Call {
    pub(super) slot: u16,
    pub(super) command: Cmd,
}

/// Every master, and how to reach it.
pub(super) struct Nodes {
    pub(super) topology: Topology,
    map: watch::Sender<Arc<Map>>,
    resolved: tokio::sync::Mutex<Option<Instant>>,
    pools: Mutex<HashMap<Node, Reach>>,
}

#[derive(Clone)]
struct Reach {
    pool: Pool,
    /// How many connections were made: behind a new one may be a server that has lost everything.
    connects: Arc<AtomicU64>,
}

/// A call that is still to be answered. Its command is on its way in the round's pipeline.
struct Errand {
    index: usize,
    slot: u16,
    sent: Option<Redirect>,
}

impl Nodes {
    pub(super) fn new(topology: Topology) -> Self {
        let map = watch::Sender::new(Arc::new(Map::unknown()));
        Self { topology, map, resolved: tokio::sync::Mutex::default(), pools: Mutex::default() }
    }

    /// Follows the map of the masters.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Map>> {
        self.map.subscribe()
    }

    /// Who the masters are, as far as is known.
    pub(super) async fn map(&self) -> Result<Arc<Map>, Away> {
        let map = self.map.borrow().clone();
        if map.masters().is_empty() { self.refresh(&map).await } else { Ok(map) }
    }

    /// Finds out who the masters are now, unless somebody has since `stale` was the answer.
    pub(super) async fn refresh(&self, stale: &Arc<Map>) -> Result<Arc<Map>, Away> {
        let mut resolved = self.resolved.lock().await;
        let current = self.map.borrow().clone();
        let rests = resolved.is_some_and(|at| at.elapsed() < RESOLVE_EVERY);
        if !Arc::ptr_eq(&current, stale) || (rests && !current.masters().is_empty()) {
            return Ok(current);
        }
        let found = timeout(RESOLVE_TIMEOUT, Box::pin(self.topology.resolve(&current))).await;
        *resolved = Some(Instant::now());
        let map = found
            .unwrap_or_else(|_elapsed| Err(format!("no answer within {RESOLVE_TIMEOUT:?}")))
            .map_err(Away)?;
        if map == *current {
            return Ok(current);
        }
        let map = Arc::new(map);
        tracing::debug!(masters = ?map.masters(), "the masters of Redis");
        self.pools().retain(|node, _| map.masters().contains(node));
        self.map.send_replace(map.clone());
        Ok(map)
    }

    /// Any of those that are masters now: in a cluster, each hears what is published at the others.
    pub(super) async fn any(&self) -> Result<Node, Away> {
        let known = self.map().await?;
        let map = self.refresh(&known).await?;
        fastrand::choice(map.masters()).cloned().ok_or_else(|| Away("there is no master".into()))
    }

    /// Runs all and answers in their order; calls of one slot are run in order. A script that a node does not
    /// know is loaded there. After an error some may have been run, and some twice.
    pub(super) async fn run(
        &self,
        calls: Vec<Call>,
        script: Option<&Arc<Script>>,
    ) -> Result<Vec<Value>, Away> {
        let mut answers = vec![Value::Nil; calls.len()];
        let mut open: Vec<(Errand, Cmd)> = calls
            .into_iter()
            .enumerate()
            .map(|(index, Call { slot, command })| (Errand { index, slot, sent: None }, command))
            .collect();
        let mut may_look_again = self.topology.can_change();
        let mut hops = 0;
        let mut map = self.map().await?;
        loop {
            let (mut again, mut pause, mut look) = (Vec::new(), false, false);
            for (node, errands, (batch, result)) in self.round(&map, open, script).await? {
                let values = match result {
                    Ok(values) => values,
                    Err(_) if may_look_again => {
                        (pause, look) = (true, true);
                        let anew = errands.into_iter().map(|it| Errand { sent: None, ..it });
                        again.extend(anew.zip(batch.commands().cloned()));
                        continue;
                    }
                    Err(away) => return Err(away),
                };
                for (at, (errand, value)) in errands.into_iter().zip(values).enumerate() {
                    let Value::ServerError(error) = value else {
                        answers[errand.index] = value;
                        continue;
                    };
                    let error = RedisError::from(error);
                    let sent = match remedy(&error, &node) {
                        Remedy::Follow(redirect) if hops < MAX_HOPS => {
                            look |= !redirect.asking;
                            Some(redirect)
                        }
                        Remedy::Wait => {
                            pause = true;
                            errand.sent
                        }
                        Remedy::LookAgain if may_look_again => {
                            (pause, look) = (true, true);
                            None
                        }
                        _ => return Err(error.into()),
                    };
                    again.extend(
                        batch
                            .commands()
                            .nth(at)
                            .cloned()
                            .map(|command| (Errand { sent, ..errand }, command)),
                    );
                }
            }
            if again.is_empty() {
                return Ok(answers);
            }
            again.sort_unstable_by_key(|(errand, _)| errand.index);
            open = again;
            hops += 1;
            if pause {
                may_look_again &= !look;
                sleep(PAUSE).await;
            }
            if look {
                // While nobody answers, what is known has to do.
                map = self.refresh(&map).await.unwrap_or(map);
            }
        }
    }

    /// One pipeline to each node, all at a time.
    async fn round(
        &self,
        map: &Map,
        errands: Vec<(Errand, Cmd)>,
        script: Option<&Arc<Script>>,
    ) -> Result<Vec<(Node, Vec<Errand>, Sent)>, Away> {
        let mut groups: HashMap<Node, (Vec<Errand>, Batch)> = HashMap::new();
        for (errand, command) in errands {
            // Who has no slots tells who has this one, or that nobody has.
            let owner = || map.owner(errand.slot).or_else(|| map.masters().first());
            let node = errand.sent.as_ref().map(|redirect| &redirect.to).or_else(owner);
            let node = node.ok_or_else(|| Away("there is no master".to_owned()))?;
            if !groups.contains_key(node) {
                groups.insert(node.clone(), Default::default());
            }
            let Some((group, batch)) = groups.get_mut(node) else { continue };
            batch.push(errand.sent.as_ref().is_some_and(|redirect| redirect.asking), command);
            group.push(errand);
        }
        let mut answers = Vec::with_capacity(groups.len());
        let mut others = JoinSet::new();
        let last = groups.len().saturating_sub(1);
        for (n, (node, (errands, batch))) in groups.into_iter().enumerate() {
            // Boxed: the library's future takes kilobytes, in every handshake that waits for one.
            let sent = Box::pin(batch.send(self.reach(&node)?.pool, script.cloned()));
            // With one node, which is the rule, nothing needs a task.
            if n == last {
                answers.push((node, errands, sent.await));
            } else {
                others.spawn(async move { (node, errands, sent.await) });
            }
        }
        while let Some(other) = others.join_next().await {
            answers.push(other.map_err(|error| Away(error.to_string()))?);
        }
        Ok(answers)
    }

    /// Runs these on this node, whatever slots they are of.
    pub(super) async fn on(&self, node: &Node, commands: Vec<Cmd>) -> Result<Vec<Value>, Away> {
        let mut batch = Batch::default();
        for command in commands {
            batch.push(false, command);
        }
        Box::pin(batch.send(self.reach(node)?.pool, None)).await.1
    }

    /// Makes sure that the node answers; how many connections it took until now.
    pub(super) async fn visit(&self, node: &Node) -> Result<u64, Away> {
        let Reach { pool, connects } = self.reach(node)?;
        // To take one out of the pool is to try it.
        drop(Box::pin(pool.get()).await.map_err(|error| Away(error.to_string()))?);
        Ok(connects.load(Ordering::Relaxed))
    }

    fn reach(&self, node: &Node) -> Result<Reach, Away> {
        let mut pools = self.pools();
        if let Some(reach) = pools.get(node) {
            return Ok(reach.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let manager = Manager::new_with_config(self.topology.door.info(node), config)?;
        let timeouts = Timeouts {
            wait: Some(COMMAND_TIMEOUT),
            create: Some(CONNECT_TIMEOUT),
            recycle: Some(CONNECT_TIMEOUT),
        };
        let connects = Arc::<AtomicU64>::default();
        let counted = connects.clone();
        let pool = Pool::builder(manager)
            .config(PoolConfig { max_size: POOL_SIZE, timeouts, ..PoolConfig::default() })
            .runtime(Runtime::Tokio1)
            .post_create(Hook::sync_fn(move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }))
            .build()
            .map_err(|error| Away(error.to_string()))?;
        let reach = Reach { pool, connects };
        pools.insert(node.clone(), reach.clone());
        Ok(reach)
    }

    fn pools(&self) -> std::sync::MutexGuard<'_, HashMap<Node, Reach>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
