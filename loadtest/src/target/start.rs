//! Starts Redis and a gateway of its own on free loopback ports.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{HttpAddress, Needs, Process, RedisAddress, Replica, Target, TargetArgs, setting};
use crate::publish;
use crate::report::Progress;

/// Until a started server must answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(15);
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Not secrets: they guard a gateway that lives on loopback for one run.
const SECRET: &str = "the-load-test-signs-its-own-users-with-this";

const PUBLISH_KEY: &str = "the-load-test-publishes-with-this-key";

pub(super) async fn start(
    args: &TargetArgs,
    progress: &Progress,
    needs: Needs<'_>,
) -> Result<Target> {
    let [redis] = free_addresses()?;
    progress.say("starting redis-server");
    let redis = RedisAddress { address: redis, user: None, password: None };
    let mut command = Command::new(&args.redis_server);
    command.args(["--bind", "127.0.0.1", "--port", &redis.address.port().to_string()]);
    command.args(["--save", "", "--appendonly", "no"]);
    let mut server = Process::spawn_logged("redis-server", command)?;
    until_ready(&mut server, async || publish::connect(&redis).map(drop)).await?;

    progress.say("starting campanile serve");
    let (first, gateway) = start_gateway(args, &redis, needs.settings).await?;
    let (mut others, mut children) = (Vec::new(), vec![first]);
    for _ in 1..needs.replicas {
        let (child, replica) = start_gateway(args, &redis, needs.settings).await?;
        children.push(child);
        others.push(replica);
    }
    children.push(server);
    Ok(Target {
        gateway,
        others,
        redis_pid: children.last().map(Process::pid),
        redis: Some(redis),
        publish_key: Some(PUBLISH_KEY.to_owned()),
        secret: SECRET.to_owned(),
        path: args.path.clone(),
        channel: args.channel.clone(),
        function: args.function.clone(),
        _children: children,
    })
}

async fn start_gateway(
    args: &TargetArgs,
    redis: &RedisAddress,
    settings: &[(&str, &str)],
) -> Result<(Process, Replica)> {
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
    let mut gateway = Process::spawn_logged("the gateway", command)?;
    until_ready(&mut gateway, async || ready(ops).await).await?;
    let http = HttpAddress { host: public.to_string(), address: public };
    let replica = Replica { http, pid: Some(gateway.pid()) };
    Ok((gateway, replica))
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

async fn until_ready(process: &mut Process, probe: impl AsyncFn() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    loop {
        process.check()?;
        match probe().await {
            Ok(()) => return Ok(()),
            Err(error) if start.elapsed() > DEADLINE => {
                let words = process.last_words();
                return Err(error.context(format!("not ready within {DEADLINE:?} ({words})")));
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Asks `/readyz` once.
async fn ready(ops: SocketAddr) -> Result<()> {
    let answer = timeout(Duration::from_secs(2), async {
        let mut stream = TcpStream::connect(ops).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {ops}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = answer.await.context("/readyz is silent")?.context("/readyz is unreachable")?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("/readyz answers `{status}`");
    }
    Ok(())
}
