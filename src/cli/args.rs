use std::time::Duration;

use serde_json::value::RawValue;

use crate::config::{
    ChannelsArgs, JwtClaimsArgs, JwtSecretArgs, OpsArgs, RedisArgs, Secret, ServeArgs, WorkerArgs,
};
use crate::notification::UserId;

/// A notification gateway: publish for a user, reach every socket of that user on any replica.
///
/// Without a command, `serve` runs. Every option is a flag and a variable; the flag wins.
/// Durations read 10s, 5m or 30d.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "campanile", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// `None` when options of `serve`, or nothing at all, follow the program's name.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Read only when no command is named.
    #[command(flatten)]
    pub serve: ServeArgs,
}

impl Cli {
    /// The command to run; `serve` when none was named.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Serve(Box::new(self.serve)))
    }
}

/// What to run; each variant's text is its help.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Command {
    /// Run one replica.
    Serve(Box<ServeArgs>),
    /// Run the roles that need no sockets: take notifications from RabbitMQ.
    ///
    /// Needs the Redis that the replicas share, and no key for tokens. `serve` takes from RabbitMQ too when
    /// it is told where; a worker keeps that apart from the sockets. Any number of both may run.
    Worker(Box<WorkerArgs>),
    /// Run one replica with a development secret, two signed-in users and a page with the bell.
    ///
    /// Prints the address of the page and commands to paste. Uses the embedded broker unless a
    /// Redis URL is given.
    Demo(Box<ServeArgs>),
    /// Publish one notification, through Redis or through a gateway.
    Publish(Box<Publish>),
    /// Mint a token with the configured secret, for development.
    Token(Token),
    /// Validate the configuration, try every dependency and print all problems.
    ///
    /// Exits with 1 if there is any.
    Check(Box<ServeArgs>),
    /// Exit with 0 when the replica on this host is ready, for images without a shell.
    Healthcheck(Healthcheck),
}

/// Options of `campanile publish`: the notification, and the way it takes.
#[derive(clap::Args, Clone, Debug)]
pub struct Publish {
    /// Who gets it.
    #[command(flatten)]
    pub target: Target,

    /// Type of the notification; `info` when left out.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,

    /// Title of the notification.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub title: Option<String>,

    /// Text of the notification.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: Option<String>,

    /// Any JSON for the application, such as `{"order":7}`.
    #[arg(long, value_name = "JSON", value_parser = json, allow_hyphen_values = true)]
    pub data: Option<Box<RawValue>>,

    /// Id of the notification; publishing the same id again is harmless. A new one when left out.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,

    /// Publish over HTTP through the gateway at this address instead of through Redis.
    #[arg(long, value_name = "URL")]
    pub gateway: Option<String>,

    /// Publish key for `--gateway`. Default: none.
    #[arg(
        long,
        env = "CAMPANILE_PUBLISH_KEY",
        value_name = "KEY",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub key: Option<Secret>,

    /// The way to Redis, unused with `--gateway`.
    #[command(flatten)]
    pub redis: RedisArgs,

    /// Must name the same channels as the gateways do.
    #[command(flatten)]
    pub channels: ChannelsArgs,
}

/// Who a notification is for: exactly one of the two is given.
#[derive(clap::Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// Notify this user.
    #[arg(long, value_name = "USER", value_parser = UserId::new)]
    pub user: Option<UserId>,

    /// Notify every connected user.
    #[arg(long)]
    pub broadcast: bool,
}

/// Options of `campanile token`.
#[derive(clap::Args, Clone, Debug)]
pub struct Token {
    /// The user the token is for.
    #[arg(long, value_name = "USER", value_parser = UserId::new)]
    pub user: UserId,

    /// How long the token is valid.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1h",
        value_parser = humantime::parse_duration
    )]
    pub ttl: Duration,

    /// The first of several signs.
    #[command(flatten)]
    pub secret: JwtSecretArgs,

    /// Written into the token, so that a gateway configured alike accepts it.
    #[command(flatten)]
    pub claims: JwtClaimsArgs,
}

/// Options of `campanile healthcheck`.
#[derive(clap::Args, Clone, Debug)]
pub struct Healthcheck {
    /// Where this host's replica answers `/readyz`.
    #[command(flatten)]
    pub ops: OpsArgs,
}

fn json(text: &str) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument, ValueValidation};
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::error::ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map(Cli::into_command).map_err(|error| error.kind())
    }

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_takes_its_flags_without_being_named() {
        for line in ["campanile --listen 127.0.0.1:1", "campanile serve --listen 127.0.0.1:1"] {
            let Ok(Command::Serve(args)) = parse(line) else { panic!("{line}") };
            assert_eq!(args.listen.listen, "127.0.0.1:1");
        }
        assert!(matches!(parse("campanile"), Ok(Command::Serve(_))));
    }

    #[test]
    fn variables_of_serve_do_not_get_in_the_way_of_a_command() {
        // A variable that is certainly set during a test run stands for one of ours.
        let command = Cli::command().mut_arg("log", |arg| arg.env("CARGO_PKG_NAME"));
        let matches = command.try_get_matches_from(["campanile", "token", "--user", "42"]).unwrap();
        assert_eq!(matches.get_one::<String>("log").unwrap(), env!("CARGO_PKG_NAME"));
        assert_eq!(matches.subcommand_name(), Some("token"));
    }

    #[test]
    fn a_notification_is_for_a_user_or_for_everyone() {
        let Ok(Command::Publish(publish)) =
            parse(r#"campanile publish --user 42 --type order --message -5% --data {"n":1.0}"#)
        else {
            panic!()
        };
        assert_eq!(publish.target.user, Some(UserId::new("42").unwrap()));
        assert_eq!(publish.kind.as_deref(), Some("order"));
        assert_eq!(publish.message.as_deref(), Some("-5%"));
        assert_eq!(publish.data.unwrap().get(), r#"{"n":1.0}"#);
        assert!(matches!(parse("campanile publish --broadcast"), Ok(Command::Publish(_))));

        for (line, kind) in [
            ("campanile publish --title x", MissingRequiredArgument),
            ("campanile publish --user 42 --broadcast", ArgumentConflict),
            ("campanile publish --broadcast --data {", ValueValidation),
            ("campanile publish --user ", ValueValidation),
        ] {
            assert_eq!(parse(line).unwrap_err(), kind, "{line}");
        }
    }

    #[test]
    fn a_token_lives_an_hour_unless_told() {
        for (line, ttl) in
            [("campanile token --user 42", 3600), ("campanile token --user 42 --ttl 5m", 300)]
        {
            let Ok(Command::Token(token)) = parse(line) else { panic!("{line}") };
            assert_eq!(token.ttl, Duration::from_secs(ttl));
        }
    }

    #[test]
    fn the_other_commands_take_the_options_they_need() {
        assert!(matches!(parse("campanile demo --redis-url redis://a"), Ok(Command::Demo(_))));
        assert!(matches!(parse("campanile check --log debug"), Ok(Command::Check(_))));
        let Ok(Command::Healthcheck(health)) = parse("campanile healthcheck --ops-listen [::1]:1")
        else {
            panic!()
        };
        assert_eq!(health.ops.ops_listen, "[::1]:1");
    }
}
