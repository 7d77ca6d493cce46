use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use uuid::Uuid;

use super::terminal::{bold, dim, note, say};
use crate::app;
use crate::config::{Config, Drain, JwtKey, Secret, ServeArgs};
use crate::demo;
use crate::telemetry::log;

/// `campanile demo`
pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let (mut config, warnings) = Config::from_args(args, JwtKey::Optional)?;
    // The demo's own lines are what a person wants to read; the log shows what is wrong.
    if config.log.filter == "info" {
        config.log.filter = "warn".into();
    }
    log::init(&config.log)?;
    for warning in warnings {
        note(format!("campanile: {warning}"));
    }
    if config.auth.secrets.is_empty() {
        config.auth.secrets.push(random_secret());
    }
    if config.publish.keys.is_empty() {
        config.publish.keys.push(short_key());
    }
    loopback_only(&mut config);
    choose_ports(&mut config)?;
    // No load balancer has to look elsewhere first: Ctrl-C ends a demo.
    config.drain = Drain { delay: Duration::ZERO, window: Duration::ZERO };
    demo::prepare(&config)?;
    let hints = hints(&config);
    app::serve(config, demo::pages, move || {
        for line in hints {
            say(line);
        }
    })
    .await
    .map_err(explain)?;
    Ok(ExitCode::SUCCESS)
}

/// A taken port is what most often keeps a demo from starting.
fn explain(error: anyhow::Error) -> anyhow::Error {
    let taken = |io: &std::io::Error| io.kind() == ErrorKind::AddrInUse;
    if error.downcast_ref().is_some_and(taken) {
        return anyhow::anyhow!(
            "{error:#}\n  Another demo may be running. This one starts beside it with\n  \
             {} demo --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0",
            quoted(&demo::program())
        );
    }
    error
}

fn random_secret() -> Secret {
    Secret::new(format!("demo-{}", Uuid::new_v4().simple()))
}

/// Short enough to read in a command; whoever can open the page is given it anyway.
fn short_key() -> Secret {
    Secret::new(format!("demo-{:012x}", Uuid::new_v4().as_u128() & 0xffff_ffff_ffff))
}

/// A demo hands out its keys to whoever opens the page, so "all addresses" means this machine's loopback.
fn loopback_only(config: &mut Config) {
    for address in [&mut config.listen.public, &mut config.listen.ops] {
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
    }
}

/// What is printed names the ports, so a port 0 becomes a free one first.
fn choose_ports(config: &mut Config) -> anyhow::Result<()> {
    for address in [&mut config.listen.public, &mut config.listen.ops] {
        if address.port() == 0 {
            *address = TcpListener::bind(*address)?.local_addr()?;
        }
    }
    Ok(())
}

fn hints(config: &Config) -> Vec<String> {
    let page = url(config.listen.public);
    let key = config.publish.keys.first().map_or("", |key| key.expose());
    let program = quoted(&demo::program());
    let [(ada, name), (_, other)] = demo::USERS;
    let mut lines = vec![
        String::new(),
        format!("  {}", bold(&page)),
        format!("  Open it: {name} and {other} are signed in. Publish, and watch a bell ring."),
        String::new(),
        dim("  From another terminal, any of these rings one too:"),
        String::new(),
        format!("  {program} publish \\"),
        format!("    --gateway {page} --key {key} \\"),
        format!("    --user {ada} --title 'Hello, {name}' --message 'It arrived.'"),
        String::new(),
        format!("  curl {page}/api/publish \\"),
        format!("    -H 'authorization: Bearer {key}' \\"),
        format!("    -d '{{\"user_id\":\"{ada}\",\"title\":\"Hello from curl\"}}'"),
        String::new(),
    ];
    if let Some(redis) = &config.redis.url {
        let client = demo::redis_cli(redis.expose());
        let channel = config.channels.user.replace("{user_id}", ada);
        lines.push(format!("  {client} PUBLISH {} \\", quoted(&channel)));
        lines.push("    '{\"title\":\"Hello from Redis\"}'".to_owned());
    } else {
        lines.push(dim("  The broker is embedded. With --redis-url, a plain PUBLISH rings too."));
    }
    lines.push(String::new());
    lines.push(dim(&format!("  Metrics: {}/metrics   Stop: Ctrl-C", url(config.listen.ops))));
    lines.push(String::new());
    lines
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:@".contains(c)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
