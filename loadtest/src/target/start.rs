//! Starts Redis and the servers of a run on free loopback ports.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::service::{Ready, Service};
use super::{HttpAddress, Kind, Needs, RedisAddress, Replica, TargetArgs, peers, setting};
use crate::report::Progress;

/// Not secrets: they guard servers that live on loopback for one run.
pub(super) const SECRET: &str = "the-load-test-signs-its-own-users-with-this";
pub(super) const PUBLISH_KEY: &str = "the-load-test-publishes-with-this-key";

/// What was started.
pub(super) struct Started {
    pub(super) replicas: Vec<Replica>,
    pub(super) redis: RedisAddress,
    pub(super) redis_service: Service,
}

pub(super) async fn start(
    args: &TargetArgs,
    kind: Kind,
    progress: &Progress,
    needs: Needs<'_>,
) -> Result<Started> {
    progress.say("starting redis-server");
    let [address] = free_addresses()?;
    let redis = RedisAddress { address, user: None, password: None };
    let mut command = Command::new(&args.redis_server);
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    command.args(["--save", "", "--appendonly", if needs.persistent { "yes" } else { "no" }]);
    // A directory of its own: two runs never meet in a file.
    let folder = needs.persistent.then(|| {
        let folder = format!("campanile-loadtest-redis-{}-{}", std::process::id(), address.port());
        std::env::temp_dir().join(folder)
    });
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder)?;
        command.current_dir(folder);
    }
    let service = Service::start("redis-server", command, Ready::Redis(redis.clone())).await?;
    let redis_service = service.with_folder(folder);
    let mut replicas = Vec::new();
    for _ in 0..needs.replicas {
        progress.say(&format!("starting {}", kind.name()));
        replicas.push(match kind {
            Kind::Campanile => gateway(args, &redis, needs.settings).await?,
            Kind::SocketIo => peer(args, "socketio.mjs", &redis).await?,
            Kind::Ws => peer(args, "ws.mjs", &redis).await?,
        });
    }
    Ok(Started { replicas, redis, redis_service })
}

async fn gateway(
    args: &TargetArgs,
    redis: &RedisAddress,
    settings: &[(&str, &str)],
) -> Result<Replica> {
    let [public, ops] = free_addresses()?;
    let mut command = Command::new(program(args.campanile.as_deref())?);
    command
        .arg("serve")
        .env("CAMPANILE_JWT_SECRET", SECRET)
        .env("CAMPANILE_PUBLISH_KEYS", PUBLISH_KEY)
        .env("CAMPANILE_LISTEN", public.to_string())
        .env("CAMPANILE_OPS_LISTEN", ops.to_string())
        .env("CAMPANILE_REDIS_URL", format!("redis://{}", redis.address))
        // One line per connection at `info` would be measured too.
        .env("CAMPANILE_LOG", "warn")
        .envs(settings.iter().copied());
    for text in &args.gateway_env {
        let (name, value) = setting(text)?;
        command.env(name, value);
    }
    let service = Service::start("the gateway", command, Ready::Http(ops)).await?;
    Ok(Replica::started(HttpAddress { host: public.to_string(), address: public }, service))
}

async fn peer(args: &TargetArgs, script: &str, redis: &RedisAddress) -> Result<Replica> {
    let [address] = free_addresses()?;
    let folder = peers::folder(args.peers.as_deref())?;
    let mut command = Command::new("node");
    command
        .arg(folder.join(script))
        .env("PORT", address.port().to_string())
        .env("REDIS_URL", format!("redis://{}", redis.address))
        .env("JWT_SECRET", SECRET)
        .env("NODE_ENV", "production");
    let service = Service::start("the peer", command, Ready::Http(address)).await?;
    Ok(Replica::started(HttpAddress { host: address.to_string(), address }, service))
}

/// The asked program, or `campanile` beside this tool.
fn program(asked: Option<&Path>) -> Result<PathBuf> {
    let path = match asked {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("where is this tool?")?.with_file_name("campanile"),
    };
    let shown = path.display();
    ensure!(path.is_file(), "no gateway at {shown}: build it, or name it with --campanile PATH");
    Ok(path)
}

/// Free ports, all different; nothing holds them until the servers bind them.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    // All are bound before any is let go: the kernel may hand out a freed port again at once.
    let listeners: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)).context("no free loopback port"))
        .collect::<Result<_>>()?;
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}
