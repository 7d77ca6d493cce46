//! A primary with two replicas, and three sentinels that watch over them.

use std::net::SocketAddr;
use std::time::Duration;

use super::redis::{ADMIN, Builder, Redis};
use super::wait::{eventually, until};

/// What the sentinels call the primary.
pub(crate) const NAME: &str = "mymaster";
/// How long a failover may take on two busy cores.
pub(crate) const FAILOVER: Duration = Duration::from_mins(1);

/// Six processes; dropping it ends them.
pub(crate) struct Sentinel {
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Sentinel {
    pub(crate) async fn start() -> Self {
        Self::start_as(Redis::builder(), Redis::builder()).await
    }

    /// With what these have of TLS and users.
    pub(crate) async fn start_as(server: Builder, sentinel: Builder) -> Self {
        let server = server.with_peers();
        let primary = server.clone().start().await;
        let address = primary.address();
        let mut follower = server
            .config(&format!("replicaof {} {}", address.ip(), address.port()))
            .config("repl-diskless-sync-delay 0");
        let mut sentinel = sentinel
            .sentinel()
            .config(&format!("sentinel monitor {NAME} {} {} 2", address.ip(), address.port()))
            .config(&format!("sentinel down-after-milliseconds {NAME} 1000"))
            .config(&format!("sentinel failover-timeout {NAME} 3000"));
        if let Some(files) = primary.certificates() {
            follower = follower.signed_by(files);
            sentinel = sentinel.signed_by(files).config("tls-replication yes");
        }
        if primary.login().is_some() {
            let (user, secret) = ADMIN;
            sentinel = sentinel
                .config(&format!("sentinel auth-user {NAME} {user}"))
                .config(&format!("sentinel auth-pass {NAME} {secret}"))
                .config(&format!("sentinel sentinel-user {user}"))
                .config(&format!("sentinel sentinel-pass {secret}"));
        }
        let mut started = Self { servers: vec![primary], sentinels: Vec::new() };
        for _ in 0..2 {
            started.servers.push(follower.clone().start().await);
        }
        for _ in 0..3 {
            started.sentinels.push(sentinel.clone().start().await);
        }
        eventually("the sentinels know all", FAILOVER, async || {
            let mut known = true;
            for sentinel in &started.sentinels {
                let info = sentinel.cli(&["INFO", "sentinel"]).await;
                known &= info.contains("status=ok") && info.contains("slaves=2,sentinels=3");
            }
            known
        })
        .await;
        started
    }

    /// For a client; the sentinels have the same user.
    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> =
            self.sentinels.iter().map(|sentinel| sentinel.address().to_string()).collect();
        let scheme = if self.any().certificates().is_some() { "rediss" } else { "redis" };
        let (login, query) = match self.any().login() {
            Some((user, secret)) => (
                format!("{user}:{secret}@"),
                format!("?sentinel_username={user}&sentinel_password={secret}"),
            ),
            None => (String::new(), String::new()),
        };
        format!("{scheme}+sentinel://{login}{}/{NAME}/0{query}", nodes.join(","))
    }

    /// One of the servers, whatever it is now.
    pub(crate) fn any(&self) -> &Redis {
        &self.servers[0]
    }

    pub(crate) fn servers(&self) -> &[Redis] {
        &self.servers
    }

    pub(crate) fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// The server that the sentinels name and that is a master.
    pub(crate) async fn primary(&self) -> &Redis {
        until("there is a primary", FAILOVER, async || {
            let named = self.sentinels[0].cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await;
            let (host, port) = named.split_once('\n')?;
            let address: SocketAddr = format!("{host}:{port}").parse().ok()?;
            let server = self.servers.iter().find(|server| server.address() == address)?;
            let is_master = !server.exited() && server.cli(&["ROLE"]).await.starts_with("master");
            is_master.then_some(server)
        })
        .await
    }
}
