//! What is loaded: a running gateway, or a gateway and a Redis that the tool starts itself.

mod address;
mod process;
mod start;
mod token;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

pub(crate) use address::{HttpAddress, RedisAddress};
pub(crate) use process::Process;

use crate::client::{Crowd, CrowdPlan, Cuts, Fleet, Hello, Plan};
use crate::publish::{Console, Template};
use crate::record::{Clock, RunId};
use crate::report::Progress;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// Load this running gateway instead of starting one, such as `http://127.0.0.1:8080`
    #[arg(long, value_name = "URL", requires = "jwt_secret")]
    gateway: Option<String>,
    /// The running gateway's process, for its CPU and memory
    #[arg(long, requires = "gateway")]
    pid: Option<u32>,
    /// The running gateway's Redis, such as `redis://127.0.0.1:6379`
    #[arg(long, value_name = "URL", requires = "gateway")]
    redis: Option<String>,
    /// The running gateway's HS256 secret
    #[arg(long, value_name = "SECRET", env = "CAMPANILE_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// The gateway's program to start [default: `campanile` beside this tool]
    #[arg(long, value_name = "PATH", conflicts_with = "gateway")]
    campanile: Option<PathBuf>,
    /// The Redis program to start
    #[arg(long, value_name = "PATH", default_value = "redis-server", conflicts_with = "gateway")]
    redis_server: PathBuf,
    /// A setting of the started gateway, such as `CAMPANILE_CAPTURE=false`; may be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "gateway")]
    gateway_env: Vec<String>,
    /// The running gateway's publish key
    #[arg(long, value_name = "KEY", env = "CAMPANILE_PUBLISH_KEY", hide_env_values = true)]
    publish_key: Option<String>,
    /// Path of the sockets [default: /api/ws, and of `resume` /ws/notifications]
    #[arg(long)]
    path: Option<String>,
    /// Channel of a user; `{user_id}` is replaced
    #[arg(long, default_value = "user:{user_id}:notifications")]
    channel: String,
    /// Function that appends to a user's log
    #[arg(long, value_name = "NAME", default_value = "campanile_notify")]
    function: String,
    /// Allow a target that is not loopback
    #[arg(long)]
    i_own_this_server: bool,
}

/// One gateway.
pub(crate) struct Replica {
    pub(crate) http: HttpAddress,
    /// Its process.
    pub(crate) pid: Option<u32>,
}

/// What a scenario needs of the gateways that the tool starts.
pub(crate) struct Needs<'a> {
    pub(crate) replicas: usize,
    /// Names and values of variables.
    pub(crate) settings: &'a [(&'a str, &'a str)],
}

/// Gateways that answer. Dropping it stops what the tool started.
pub(crate) struct Target {
    pub(crate) gateway: Replica,
    /// Further replicas.
    pub(crate) others: Vec<Replica>,
    pub(crate) redis: Option<RedisAddress>,
    /// The process of a Redis that the tool started.
    pub(crate) redis_pid: Option<u32>,
    /// For `POST /api/publish`.
    pub(crate) publish_key: Option<String>,
    secret: String,
    path: Option<String>,
    channel: String,
    function: String,
    /// In the order of dropping: the gateway goes before its Redis.
    _children: Vec<Process>,
}

impl TargetArgs {
    /// Whether the gateway was there before, so that it cannot be restarted between rounds.
    pub(crate) fn attaches(&self) -> bool {
        self.gateway.is_some()
    }

    /// Attaches to the gateway, or starts one with its Redis and waits until it is ready.
    pub(crate) async fn start(&self, progress: &Progress) -> Result<Target> {
        self.start_with(progress, Needs { replicas: 1, settings: &[] }).await
    }

    /// As `start`; a running gateway is taken as it is.
    pub(crate) async fn start_with(&self, progress: &Progress, needs: Needs<'_>) -> Result<Target> {
        match &self.gateway {
            Some(url) => self.attach(url),
            None => start::start(self, progress, needs).await,
        }
    }

    fn attach(&self, url: &str) -> Result<Target> {
        let gateway = HttpAddress::parse(url)?;
        address::allow(gateway.address, self.i_own_this_server)?;
        let redis = self.redis.as_deref().map(RedisAddress::parse).transpose()?;
        if let Some(redis) = &redis {
            address::allow(redis.address, self.i_own_this_server)?;
        }
        if let Some(pid) = self.pid {
            crate::probe::cpu_seconds(pid)?;
        }
        let secret = self.jwt_secret.clone().context("--jwt-secret is missing")?;
        Ok(Target {
            gateway: Replica { http: gateway, pid: self.pid },
            others: Vec::new(),
            redis,
            redis_pid: None,
            publish_key: self.publish_key.clone(),
            secret: secret.split(',').next().unwrap_or_default().to_owned(),
            path: self.path.clone(),
            channel: self.channel.clone(),
            function: self.function.clone(),
            _children: Vec::new(),
        })
    }
}

impl Target {
    /// Sockets of as many distinct users, none open yet.
    pub(crate) fn fleet(&self, users: usize, clock: Clock) -> Result<Fleet> {
        let HttpAddress { host, address } = self.gateway.http.clone();
        let path = self.path.clone().unwrap_or_else(|| "/api/ws".to_owned());
        let hello = Hello::WebSocket { host, path, tokens: self.tokens(users)? };
        Fleet::start(Plan { address, hello }, clock)
    }

    /// Clients of `campanile.v1`, one each of as many distinct users, none open yet.
    pub(crate) fn crowd(
        &self,
        clients: usize,
        cuts: Cuts,
        run: RunId,
        clock: Clock,
    ) -> Result<Crowd> {
        let gateways = self.replicas().map(|replica| replica.http.clone()).collect();
        let path = self.path.clone().unwrap_or_else(|| "/ws/notifications".to_owned());
        let tokens = self.tokens(clients)?;
        Crowd::start(CrowdPlan { gateways, path, tokens, run, cuts }, clock)
    }

    fn tokens(&self, users: usize) -> Result<Vec<String>> {
        (0..users).map(|index| token::mint(&self.secret, &user(index))).collect()
    }

    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Replica> {
        std::iter::once(&self.gateway).chain(&self.others)
    }

    /// The channel of a user of the fleet.
    pub(crate) fn channel(&self, index: usize) -> String {
        self.channel.replace("{user_id}", &user(index))
    }

    /// Waits until the function that appends to logs is there: a replica registers it when it has
    /// been ready for a moment.
    pub(crate) async fn until_function(&self) -> Result<()> {
        let mut console = Console::open(self.redis()?)?;
        let start = Instant::now();
        while !console.has_function(&self.function)? {
            ensure!(
                start.elapsed() < start::DEADLINE,
                "Redis has no function {}: is the inbox on, and --function right?",
                self.function
            );
            tokio::time::sleep(start::PAUSE).await;
        }
        Ok(())
    }

    /// What publishes durably to each of so many users.
    pub(crate) fn durable(&self, users: usize, run: RunId, bytes: usize) -> Vec<Template> {
        let template = |index| Template::durable(&self.function, &user(index), run, bytes);
        (0..users).map(template).collect()
    }

    /// Where to publish.
    pub(crate) fn redis(&self) -> Result<&RedisAddress> {
        self.redis.as_ref().context("--redis is missing: publishing goes through it")
    }

    /// Fails unless each gateway, when it is on this machine, may hold that many sockets.
    pub(crate) fn check_descriptors(&self, sockets: usize) -> Result<()> {
        let mut pids = self.replicas().filter_map(|replica| replica.pid);
        pids.try_for_each(|pid| crate::probe::check_descriptors(pid, "the gateway", sockets))
    }

    /// What to meter: gateways, Redis and this tool.
    pub(crate) fn processes(&self) -> Vec<(&'static str, Option<u32>)> {
        let servers = self.replicas().map(|replica| ("server", replica.pid));
        let own = Some(std::process::id());
        servers.chain([("redis-server", self.redis_pid), ("this tool", own)]).collect()
    }
}

/// The name of a user.
pub(crate) fn user(index: usize) -> String {
    format!("load-{index:06}")
}

/// Splits `NAME=VALUE`.
fn setting(text: &str) -> Result<(&str, &str)> {
    let (name, value) = text.split_once('=').context("--gateway-env takes NAME=VALUE")?;
    ensure!(!name.is_empty(), "--gateway-env takes NAME=VALUE");
    Ok((name, value))
}
