//! The one place that knows where to connect: it turns what the configuration names into the map of masters.

use std::fmt;
use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connect::{BadEndpoint, Door, Node};
use super::slots::Map;
use crate::config;

/// How long one server may take to connect, and again to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long one is asked alone before the next is asked too.
const STAGGER: Duration = Duration::from_millis(200);

/// Where Redis is.
pub(super) struct Topology {
    pub(super) door: Door,
    kind: Kind,
    /// Those that the configuration names.
    nodes: Vec<Node>,
}

enum Kind {
    Single,
    Sentinel { master: String, door: Box<Door> },
    Cluster,
}

impl Topology {
    pub(super) fn new(config: &config::Redis) -> Result<Self, BadEndpoint> {
        let url = config.url.as_ref().map_or("redis://127.0.0.1", |url| url.expose());
        let servers = config::Servers::parse(url)
            .map_err(|why| BadEndpoint::new(&format!("CAMPANILE_REDIS_URL {why}")))?;
        let door = Door::new(&servers.server, config)?;
        let kind = match servers.topology {
            config::Topology::Single => Kind::Single,
            config::Topology::Cluster => Kind::Cluster,
            config::Topology::Sentinel { master, sentinel } => {
                Kind::Sentinel { master, door: Box::new(Door::new(&sentinel, config)?) }
            }
        };
        let plain = |host: String| host.trim_matches(['[', ']']).to_owned();
        let nodes = servers
            .nodes
            .into_iter()
            .map(|(host, port)| Node { host: plain(host), port })
            .collect();
        Ok(Self { door, kind, nodes })
    }

    /// Whether the master of a slot can ever become another one.
    pub(super) fn can_change(&self) -> bool {
        !matches!(self.kind, Kind::Single)
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster)
    }

    /// Finds out who the masters are. `known`: who they were, and so who may be asked besides those that
    /// the configuration names.
    pub(super) async fn resolve(&self, known: &Map) -> Result<Map, String> {
        match &self.kind {
            Kind::Single => match self.nodes.first() {
                Some(node) => Ok(Map::of_one(node.clone())),
                None => Err("no server is named".to_owned()),
            },
            Kind::Sentinel { master, door } => {
                let ask = |sentinel: Node| {
                    let (name, sentinels, servers) =
                        (master.clone(), door.clone(), self.door.clone());
                    async move {
                        let node = master_by(&sentinels, &sentinel, &name).await?;
                        verified(&servers, node).await
                    }
                };
                first(self.nodes.clone(), ask).await
            }
            Kind::Cluster => {
                let mut nodes: Vec<Node> = known.masters().to_vec();
                nodes.extend(known.replicas().iter().chain(&self.nodes).cloned());
                // Not always the same one, and not the others' first choice.
                fastrand::shuffle(&mut nodes);
                let mut asked = std::collections::HashSet::new();
                nodes.retain(|node| asked.insert(node.clone()));
                let ask = |node| {
                    let door = self.door.clone();
                    async move { shards_by(&door, &node).await }
                };
                first(nodes, ask).await
            }
        }
    }

    /// What each named sentinel answers; nothing where there are none.
    pub(super) async fn sentinels(&self) -> Vec<(String, Result<String, String>)> {
        let Kind::Sentinel { master, door } = &self.kind else { return Vec::new() };
        let mut answers = Vec::new();
        for sentinel in &self.nodes {
            let answer = master_by(door, sentinel, master).await;
            answers.push((sentinel.to_string(), answer.map(|node| node.to_string())));
        }
        answers
    }
}

/// For people: what the configuration names.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<String> = self.nodes.iter().map(ToString::to_string).collect();
        let nodes = nodes.join(",");
        match &self.kind {
            Kind::Single => f.write_str(&nodes),
            Kind::Sentinel { master, .. } => write!(f, "{master} of the sentinels {nodes}"),
            Kind::Cluster => write!(f, "the cluster of {nodes}"),
        }
    }
}

/// The first good answer. One that is slow to answer is not waited for alone.
async fn first<T, F>(nodes: Vec<Node>, ask: impl Fn(Node) -> F) -> Result<T, String>
where
    T: Send + 'static,
    F: Future<Output = Result<T, String>> + Send + 'static,
{
    let mut nodes = nodes.into_iter();
    let mut asked = JoinSet::new();
    let mut why = "no server is named".to_owned();
    loop {
        match nodes.next() {
            Some(node) => {
                asked.spawn(ask(node));
            }
            None if asked.is_empty() => return Err(why),
            None => {}
        }
        match timeout(STAGGER, asked.join_next()).await {
            Ok(Some(Ok(Ok(answer)))) => return Ok(answer),
            Ok(Some(Ok(Err(error)))) => why = error,
            // It panicked, or nobody has answered yet.
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
}

async fn master_by(door: &Door, sentinel: &Node, name: &str) -> Result<Node, String> {
    let ask = async {
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        command.query_async(&mut door.ask(sentinel, PATIENCE).await?).await
    };
    let answer: RedisResult<Option<(String, u16)>> = ask.await;
    match answer {
        Ok(Some((host, port))) => Ok(Node { host, port }),
        Ok(None) => Err(format!("the sentinel {sentinel} knows no master {name:?}")),
        Err(error) => Err(format!("the sentinel {sentinel}: {error}")),
    }
}

/// Sentinels name a master that has died until another is elected, and one that comes back is told only
/// later that it is a replica now.
async fn verified(door: &Door, node: Node) -> Result<Map, String> {
    let ask = async {
        redis::cmd("ROLE").query_async::<Vec<Value>>(&mut door.ask(&node, PATIENCE).await?).await
    };
    let answer = ask.await.map_err(|error| format!("the master {node}: {error}"))?;
    match answer.first() {
        Some(Value::BulkString(role)) if role == b"master" => Ok(Map::of_one(node)),
        _ => Err(format!("{node}, which a sentinel names, is no master")),
    }
}

async fn shards_by(door: &Door, node: &Node) -> Result<Map, String> {
    let ask = async {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS").query_async(&mut door.ask(node, PATIENCE).await?).await
    };
    let ranges: Vec<Vec<Value>> = ask.await.map_err(|error| format!("{node}: {error}"))?;
    let mut map = Map::unknown();
    for range in &ranges {
        let [Value::Int(from), Value::Int(to), master, replicas @ ..] = range.as_slice() else {
            continue;
        };
        let (Ok(from), Ok(to)) = (u16::try_from(*from), u16::try_from(*to)) else { continue };
        let Some(master) = named(master, node) else { continue };
        map.assign(from, to, master);
        replicas.iter().filter_map(|it| named(it, node)).for_each(|it| map.add_replica(it));
    }
    if map.masters().is_empty() {
        return Err(format!("{node} knows of no slots"));
    }
    Ok(map)
}

/// `[host, port, …]`; without a host, it is that of the node which answered.
fn named(value: &Value, answered: &Node) -> Option<Node> {
    let Value::Array(parts) = value else { return None };
    let [host, Value::Int(port), ..] = parts.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
        Value::Nil => String::new(),
        _ => return None,
    };
    let port = u16::try_from(*port).ok()?;
    match host.as_str() {
        "?" => None,
        "" => Some(Node { host: answered.host.clone(), port }),
        _ => Some(Node { host, port }),
    }
}
