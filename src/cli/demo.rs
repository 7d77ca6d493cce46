use std::net::SocketAddr;
use std::process::ExitCode;

use uuid::Uuid;

use super::terminal::{bold, dim, note, say};
use crate::app;
use crate::config::{Config, JwtKey, Secret, ServeArgs};
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
        config.publish.keys.push(random_secret());
    }
    loopback_only(&mut config);
    demo::prepare(&config)?;
    let hints = hints(&config);
    app::serve(config, demo::pages, move || {
        for line in hints {
            say(line);
        }
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

fn random_secret() -> Secret {
    Secret::new(format!("demo-{}", Uuid::new_v4().simple()))
}

/// A demo hands out its keys to whoever opens the page, so unless told it listens on this machine only.
fn loopback_only(config: &mut Config) {
    for address in [&mut config.listen.public, &mut config.listen.ops] {
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
    }
}

fn hints(config: &Config) -> Vec<String> {
    let page = url(config.listen.public);
    let key = config.publish.keys.first().map_or("", |key| key.expose());
    let (user, name) = demo::USERS[0];
    let mut lines = vec![
        String::new(),
        format!("  {}   {page}", bold("Open this page")),
        dim("  Two users are signed in there. Publish to one and watch the bell."),
        String::new(),
        bold("  Publish from another terminal:"),
        format!("    campanile publish --gateway {page} --key {key} \\"),
        format!("      --user {user} --title 'Hello, {name}' --message 'It arrived.'"),
        String::new(),
        format!("    curl {page}/api/publish -H 'authorization: Bearer {key}' \\"),
        format!("      -d '{{\"user_id\":\"{user}\",\"title\":\"Hello from curl\"}}'"),
    ];
    if config.redis.url.is_some() {
        let channel = config.channels.user.replace("{user_id}", user);
        lines.push(String::new());
        lines.push(format!("    redis-cli PUBLISH {channel} '{{\"title\":\"Hello from Redis\"}}'"));
    } else {
        lines.push(String::new());
        lines.push(dim("  The broker is embedded. With --redis-url, PUBLISH works too."));
    }
    lines.push(String::new());
    lines.push(format!("  Metrics: {}/metrics   Stop: Ctrl-C", url(config.listen.ops)));
    lines.push(String::new());
    lines
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
