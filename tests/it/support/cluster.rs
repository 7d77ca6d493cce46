//! A Redis Cluster: three masters with a replica each.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::redis::{ADMIN, Builder, Redis};
use super::wait::{eventually, until};

/// How long forming a cluster, and a failover, may take on two busy cores.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Six processes; dropping it ends them.
pub(crate) struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_as(Redis::builder()).await
    }

    /// Every node with what `builder` has of TLS and users.
    pub(crate) async fn start_as(builder: Builder) -> Self {
        let mut node = builder.with_peers().cluster_node().config("repl-diskless-sync-delay 0");
        let mut nodes = vec![node.clone().start().await];
        if let Some(files) = nodes[0].certificates() {
            node = node.signed_by(files);
        }
        for _ in 1..6 {
            nodes.push(node.clone().start().await);
        }
        let addresses: Vec<String> = nodes.iter().map(|node| node.address().to_string()).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        nodes[0].cli(&create).await;
        let cluster = Self { nodes };
        cluster.is_well(3).await;
        cluster
    }

    /// Every node that runs thinks well of the cluster, and there are so many replicas that follow.
    pub(crate) async fn is_well(&self, replicas: usize) {
        eventually("the cluster is well", PATIENCE, async || {
            let mut followers = 0;
            for node in self.running() {
                let info = node.cli(&["CLUSTER", "INFO"]).await;
                if !info.contains("cluster_state:ok") || !info.contains("cluster_slots_ok:16384") {
                    return false;
                }
                followers += usize::from(node.cli(&["ROLE"]).await.contains("connected"));
            }
            followers >= replicas
        })
        .await;
    }

    /// Names three of the nodes.
    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> =
            self.nodes.iter().take(3).map(|node| node.address().to_string()).collect();
        let scheme = if self.any().certificates().is_some() { "rediss" } else { "redis" };
        let login = self.any().login();
        let login = login.map(|(user, secret)| format!("{user}:{secret}@")).unwrap_or_default();
        format!("{scheme}+cluster://{login}{}", nodes.join(","))
    }

    /// One of the nodes.
    pub(crate) fn any(&self) -> &Redis {
        &self.nodes[0]
    }

    pub(crate) fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Redis> {
        self.nodes.iter().filter(|node| !node.exited())
    }

    /// The slot of this key or channel.
    pub(crate) async fn slot(&self, name: &str) -> u16 {
        let node = self.running().next().unwrap();
        node.cli(&["CLUSTER", "KEYSLOT", name]).await.parse().unwrap()
    }

    /// Who has this slot, once those that run agree.
    pub(crate) async fn master_of(&self, slot: u16) -> &Redis {
        until("the slot has a master", PATIENCE, async || {
            let mut found = None;
            for node in self.running() {
                let map: Vec<Vec<redis::Value>> =
                    node.ask(redis::cmd("CLUSTER").arg("SLOTS")).await;
                let owner = map.iter().find_map(|range| owner(range, slot))?;
                if *found.get_or_insert(owner) != owner {
                    return None;
                }
            }
            self.running().find(|node| Some(node.address()) == found)
        })
        .await
    }

    /// A master that does not have this slot.
    pub(crate) async fn other_master(&self, slot: u16) -> &Redis {
        let this = self.master_of(slot).await.address();
        for other in [0, 6000, 12000] {
            let master = self.master_of(other).await;
            if master.address() != this {
                return master;
            }
        }
        panic!("one master has all slots");
    }

    /// Moves the slot of each of these keys or channels once; how many that were.
    pub(crate) async fn move_slots_of(&self, names: &[String]) -> usize {
        let mut moved = HashSet::new();
        for name in names {
            let slot = self.slot(name).await;
            if moved.insert(slot) {
                self.move_slot(slot, self.other_master(slot).await).await;
            }
        }
        moved.len()
    }

    /// Moves one slot with its keys, as `redis-cli --cluster reshard` does.
    pub(crate) async fn move_slot(&self, slot: u16, to: &Redis) {
        let from = self.master_of(slot).await;
        let number = slot.to_string();
        let (target, source) = (id(to).await, id(from).await);
        to.cli(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &source]).await;
        from.cli(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &target]).await;
        let (host, port) = (to.address().ip().to_string(), to.address().port().to_string());
        loop {
            let keys: Vec<String> =
                from.ask(redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(100)).await;
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg(&host).arg(&port).arg("").arg(0).arg(5000);
            if from.login().is_some() {
                migrate.arg("AUTH2").arg(ADMIN.0).arg(ADMIN.1);
            }
            let _: redis::Value = from.ask(migrate.arg("KEYS").arg(keys)).await;
        }
        for node in [to, from] {
            node.cli(&["CLUSTER", "SETSLOT", &number, "NODE", &target]).await;
        }
    }
}

async fn id(node: &Redis) -> String {
    node.cli(&["CLUSTER", "MYID"]).await
}

/// The master's address, if the range of `CLUSTER SLOTS` has the slot.
fn owner(range: &[redis::Value], slot: u16) -> Option<SocketAddr> {
    let [redis::Value::Int(from), redis::Value::Int(to), redis::Value::Array(master), ..] = range
    else {
        return None;
    };
    if !(*from..=*to).contains(&i64::from(slot)) {
        return None;
    }
    let [redis::Value::BulkString(host), redis::Value::Int(port), ..] = master.as_slice() else {
        return None;
    };
    format!("{}:{port}", String::from_utf8_lossy(host)).parse().ok()
}
