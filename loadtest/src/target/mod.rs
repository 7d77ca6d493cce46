//! What is loaded: a running gateway, or a gateway and a Redis that the tool starts itself.

mod address;
mod process;
mod start;
mod token;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

pub(crate) use address::{HttpAddress, RedisAddress};
pub(crate) use process::Process;

use crate::client::{Fleet, Hello, Plan};
use crate::record::Clock;
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
    /// Path of the sockets
    #[arg(long, default_value = "/api/ws")]
    path: String,
    /// Channel of a user; `{user_id}` is replaced
    #[arg(long, default_value = "user:{user_id}:notifications")]
    channel: String,
    /// Allow a target that is not loopback
    #[arg(long)]
    i_own_this_server: bool,
}

/// A gateway that answers. Dropping it stops what the tool started.
pub(crate) struct Target {
    pub(crate) gateway: HttpAddress,
    /// The gateway's process.
    pub(crate) pid: Option<u32>,
    pub(crate) redis: Option<RedisAddress>,
    /// The process of a Redis that the tool started.
    pub(crate) redis_pid: Option<u32>,
    secret: String,
    path: String,
    channel: String,
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
        match &self.gateway {
            Some(url) => self.attach(url),
            None => start::start(self, progress).await,
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
            gateway,
            pid: self.pid,
            redis,
            redis_pid: None,
            secret: secret.split(',').next().unwrap_or_default().to_owned(),
            path: self.path.clone(),
            channel: self.channel.clone(),
            _children: Vec::new(),
        })
    }
}

impl Target {
    /// Sockets of as many distinct users, none open yet.
    pub(crate) fn fleet(&self, users: usize, clock: Clock) -> Result<Fleet> {
        let tokens = (0..users)
            .map(|index| token::mint(&self.secret, &user(index)))
            .collect::<Result<_>>()?;
        let hello =
            Hello::WebSocket { host: self.gateway.host.clone(), path: self.path.clone(), tokens };
        Fleet::start(Plan { address: self.gateway.address, hello }, clock)
    }

    /// The channel of a user of the fleet.
    pub(crate) fn channel(&self, index: usize) -> String {
        self.channel.replace("{user_id}", &user(index))
    }

    /// Where to publish.
    pub(crate) fn redis(&self) -> Result<&RedisAddress> {
        self.redis.as_ref().context("--redis is missing: publishing goes through it")
    }

    /// Fails unless the gateway, when it is on this machine, may hold that many sockets.
    pub(crate) fn check_descriptors(&self, sockets: usize) -> Result<()> {
        let Some(pid) = self.pid else { return Ok(()) };
        crate::probe::check_descriptors(pid, "the gateway", sockets)
    }
}

fn user(index: usize) -> String {
    format!("load-{index:06}")
}

/// Splits `NAME=VALUE`.
fn setting(text: &str) -> Result<(&str, &str)> {
    let (name, value) = text.split_once('=').context("--gateway-env takes NAME=VALUE")?;
    ensure!(!name.is_empty(), "--gateway-env takes NAME=VALUE");
    Ok((name, value))
}
