use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Publish, terminal};
use crate::broker::redis::{Channels, Commands};
use crate::config::{check_sharded, collect};
use crate::notification::{MissingId, Notification, Target};
use crate::telemetry::Metrics;
use crate::web_client;

const TIMEOUT: Duration = Duration::from_secs(10);

/// `campanile publish`
pub(super) async fn run(args: Publish) -> anyhow::Result<ExitCode> {
    let notification = notification(&args)?;
    match &args.gateway {
        Some(gateway) => through_gateway(gateway, &args, notification).await,
        None => through_redis(&args, &notification).await,
    }
}

/// What was said on the command line, as a JSON object.
fn notification(args: &Publish) -> anyhow::Result<Map<String, Value>> {
    let mut fields = Map::new();
    let said = [
        ("id", &args.id),
        ("type", &args.kind),
        ("title", &args.title),
        ("message", &args.message),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            fields.insert(name.into(), json!(value));
        }
    }
    if let Some(data) = &args.data {
        fields.insert("data".into(), serde_json::from_str(data.get())?);
    }
    Ok(fields)
}

async fn through_redis(args: &Publish, fields: &Map<String, Value>) -> anyhow::Result<ExitCode> {
    let ((redis, channels), _) = collect(|reader| {
        let (redis, channels) = (args.redis.read(reader), args.channels.read(reader));
        check_sharded(reader, redis.as_ref().ok(), channels.as_ref().ok());
        Ok((redis?, channels?))
    })?;
    if redis.url.is_none() {
        bail!(
            "say where to publish: --redis-url (CAMPANILE_REDIS_URL) or --gateway URL with --key"
        );
    }
    let target = args.target.user.as_ref().map_or(Target::Broadcast, |u| Target::User(u.as_str()));
    let text = Value::Object(fields.clone()).to_string();
    let notification = Notification::parse(
        text.as_bytes(),
        target,
        MissingId::Fresh,
        Timestamp::now(),
        usize::MAX,
    )?;
    let channels = Channels::new(&channels.user, &channels.broadcast, &redis.prefix);
    let commands = Commands::new(&redis, channels, Arc::new(Metrics::new()?))?;
    let id = notification.id_json();
    if let Some(user) = &args.target.user {
        match commands.notify(user, notification.body()).await {
            Ok(cursor) => {
                terminal::say(format!("published {id}, kept at {cursor}"));
                return Ok(ExitCode::SUCCESS);
            }
            Err(away) if away.0.contains("Function not found") => {
                terminal::note(
                    "no inbox here: nobody has registered its function; publishing live",
                );
            }
            Err(away) => {
                return Err(away).with_context(|| {
                    format!("cannot publish through Redis at {}", commands.address())
                });
            }
        }
    }
    let heard = commands
        .publish(&[(target, notification.body())])
        .await
        .with_context(|| format!("cannot publish through Redis at {}", commands.address()))?;
    match heard.first() {
        Some(0) | None => {
            terminal::say(format!("published {id}; no replica was listening for it"));
        }
        Some(replicas) => terminal::say(format!("published {id}, heard by {replicas}")),
    }
    Ok(ExitCode::SUCCESS)
}

async fn through_gateway(
    gateway: &str,
    args: &Publish,
    mut fields: Map<String, Value>,
) -> anyhow::Result<ExitCode> {
    match &args.target.user {
        Some(user) => fields.insert("user_id".into(), json!(user.as_str())),
        None => fields.insert("broadcast".into(), json!(true)),
    };
    let Some(key) = args.key.clone() else {
        bail!("--gateway needs --key (CAMPANILE_PUBLISH_KEY), one of the gateway's publish keys");
    };
    let url = format!("{}/api/publish", gateway.trim_end_matches('/'));
    let body = Value::Object(fields).to_string();
    let answer = tokio::task::spawn_blocking(move || {
        let agent = web_client::client(TIMEOUT).http_status_as_error(false).build().new_agent();
        let mut response = agent
            .post(&url)
            .header("authorization", format!("Bearer {}", key.expose()))
            .header("content-type", "application/json")
            .send(body)?;
        let text = response.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((response.status().as_u16(), text))
    })
    .await?;
    let (status, text) =
        answer.with_context(|| format!("cannot reach the gateway at {gateway}"))?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if status != 200 {
        let why = answer["error"]["message"].as_str().unwrap_or(&text);
        bail!("the gateway answered {status}: {why}");
    }
    terminal::say(format!("published {}", answer["data"]["results"][0]["id"]));
    Ok(ExitCode::SUCCESS)
}
