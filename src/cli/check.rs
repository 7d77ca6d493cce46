use std::process::ExitCode;
use std::sync::Arc;

use super::{terminal, unknown_variables};
use crate::auth::Verifier;
use crate::broker::Away;
use crate::broker::redis::{Channels, Commands};
use crate::config::{Config, JwtKey, PubSub, ServeArgs};
use crate::ingest::rabbit;
use crate::mail;
use crate::telemetry::Metrics;

/// Oldest Redis the gateway is made for.
const OLDEST_REDIS: (u32, u32) = (7, 0);

/// What was found; printed as it comes.
#[derive(Default)]
struct Findings {
    problems: usize,
}

impl Findings {
    fn fine(text: &str) {
        terminal::say(format!("{} {text}", terminal::green("ok     ")));
    }

    fn warning(text: &str) {
        terminal::say(format!("{} {text}", terminal::bold("warning")));
    }

    fn problem(&mut self, text: &str) {
        self.problems += 1;
        terminal::say(format!("{} {text}", terminal::red("problem")));
    }

    fn of(&mut self, result: Result<String, String>) {
        match result {
            Ok(text) => Self::fine(&text),
            Err(text) => self.problem(&text),
        }
    }
}

/// `campanile check`
pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    for warning in unknown_variables() {
        Findings::warning(&warning.to_string());
    }
    match Config::from_args(args, JwtKey::Required) {
        Err(problems) => {
            for problem in &problems {
                findings.problem(&problem.to_string());
            }
        }
        Ok((config, warnings)) => {
            Findings::fine("the configuration is valid");
            for warning in warnings {
                Findings::warning(&warning.to_string());
            }
            keys(&config, &mut findings).await;
            redis(&config, &mut findings).await;
            smtp(&config, &mut findings).await;
            rabbit(&config, &mut findings).await;
        }
    }
    if findings.problems > 0 {
        terminal::say(format!("{} problem(s)", findings.problems));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn keys(config: &Config, findings: &mut Findings) {
    match Verifier::new(&config.auth) {
        Err(error) => findings.problem(&error.to_string()),
        Ok(verifier) if config.auth.jwks_url.is_some() => {
            findings.of(verifier.preload().await.map(|count| format!("JWKS: {count} keys")));
        }
        Ok(_) => Findings::fine("the keys for tokens can be read"),
    }
}

async fn redis(config: &Config, findings: &mut Findings) {
    if config.redis.url.is_none() {
        return Findings::warning("no CAMPANILE_REDIS_URL: embedded broker, one replica only");
    }
    let channels =
        Channels::new(&config.channels.user, &config.channels.broadcast, &config.redis.prefix)
            .with_adapter(config.socketio_adapter);
    let commands = Metrics::new().map_err(|error| error.to_string()).and_then(|metrics| {
        Commands::new(&config.redis, channels, Arc::new(metrics)).map_err(|e| e.to_string())
    });
    let commands = match commands {
        Ok(commands) => commands,
        Err(error) => return findings.problem(&format!("Redis: {error}")),
    };
    let address = commands.address();
    for line in commands.topology().await {
        findings
            .of(line.map(|text| format!("Redis: {text}")).map_err(|why| format!("Redis: {why}")));
    }
    let versions = match commands.versions().await {
        Ok(versions) => versions,
        Err(Away(why)) => {
            return findings.problem(&format!("Redis at {address} does not answer: {why}"));
        }
    };
    let nobody_answers = versions.iter().all(|(_, version)| version.is_err());
    for (node, version) in versions {
        match version {
            Err(Away(why)) => findings.problem(&format!("Redis at {node} does not answer: {why}")),
            Ok(version) if is_too_old(&version) => {
                let (major, minor) = OLDEST_REDIS;
                let text =
                    format!("Redis at {node} is {version}; {major}.{minor} or newer is needed");
                findings.problem(&text);
            }
            Ok(version) => Findings::fine(&format!("Redis {version} at {node} answers")),
        }
    }
    if nobody_answers {
        return;
    }
    if config.redis.pubsub == PubSub::Sharded {
        Findings::fine(
            "Redis: plain publishers have to say SPUBLISH, at the node that has the channel's slot",
        );
        Findings::warning(
            "Redis: what is said by plain SPUBLISH to users who are offline is not kept in the inbox",
        );
    }
    let mut tried = commands.permissions(config.inbox.size > 0, config.inbox.capture).await;
    if config.mail.after.is_some() {
        tried.push(("schedule mail", commands.may_mail().await));
    }
    for (what, result) in tried {
        findings.of(match result {
            Ok(()) => Ok(format!("Redis: may {what}")),
            Err(Away(why)) => Err(format!("Redis: may not {what}: {why}")),
        });
    }
}

async fn smtp(config: &Config, findings: &mut Findings) {
    if let Some(sender) = &config.mail.sender {
        let tried = mail::probe(sender).await;
        let (fine, why) = (|text| format!("SMTP: {text}"), |why| format!("SMTP: {why}"));
        findings.of(tried.map(fine).map_err(why));
    }
}

async fn rabbit(config: &Config, findings: &mut Findings) {
    let Some(amqp) = &config.amqp else { return };
    for line in rabbit::check(amqp).await {
        let named = |text| format!("RabbitMQ: {text}");
        findings.of(line.map(named).map_err(named));
    }
}

fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let version = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    version < OLDEST_REDIS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, old) in [("6.2.14", true), ("7.0.15", false), ("10.0.0", false), ("x", true)]
        {
            assert_eq!(is_too_old(version), old, "{version}");
        }
    }
}
