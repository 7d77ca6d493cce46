//! The options that say what is loaded.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::client::Dialect;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The gateway
    Campanile,
    /// Socket.IO 4 with its Redis adapter
    #[value(name = "socket.io")]
    SocketIo,
    /// `ws` with `ioredis`
    Ws,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Campanile => "campanile",
            Self::SocketIo => "socket.io",
            Self::Ws => "ws + ioredis",
        }
    }
}

/// How notifications are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lane {
    /// PUBLISH to the user's channel
    Publish,
    /// FCALL of the gateway's function
    Fcall,
    /// POST /api/publish, arrays of what is due
    Http,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// What to load; a peer is started from loadtest/peers
    #[arg(long, value_enum, default_value_t = Kind::Campanile)]
    pub(super) server: Kind,
    /// What clients speak [default: bare; where clients come back campanile.v1]
    #[arg(long, value_enum)]
    pub(super) dialect: Option<Dialect>,
    /// How notifications are published [default: publish; where clients come back fcall]
    #[arg(long, value_enum)]
    pub(super) publish: Option<Lane>,
    /// Processes that hold the sockets [default: one per 10,000]
    #[arg(long, value_name = "N", value_parser = crate::scenario::positive)]
    pub(super) workers: Option<usize>,
    /// Load this running server instead of starting one, such as `http://127.0.0.1:8080`
    #[arg(long, value_name = "URL", requires = "jwt_secret")]
    pub(super) gateway: Option<String>,
    /// The running server's process, for its CPU and memory
    #[arg(long, requires = "gateway")]
    pub(super) pid: Option<u32>,
    /// The running server's Redis, such as `redis://127.0.0.1:6379`
    #[arg(long, value_name = "URL", requires = "gateway")]
    pub(super) redis: Option<String>,
    /// The running server's HS256 secret
    #[arg(long, value_name = "SECRET", env = "CAMPANILE_JWT_SECRET", hide_env_values = true)]
    pub(super) jwt_secret: Option<String>,
    /// The gateway's program to start [default: `campanile` beside this tool]
    #[arg(long, value_name = "PATH", conflicts_with = "gateway")]
    pub(super) campanile: Option<PathBuf>,
    /// The Redis program to start
    #[arg(long, value_name = "PATH", default_value = "redis-server", conflicts_with = "gateway")]
    pub(super) redis_server: PathBuf,
    /// Where the peers are [default: loadtest/peers above here or above this tool]
    #[arg(long, value_name = "DIR", conflicts_with = "gateway")]
    pub(super) peers: Option<PathBuf>,
    /// A setting of the started gateway, such as `CAMPANILE_CAPTURE=false`; may be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "gateway")]
    pub(super) gateway_env: Vec<String>,
    /// The running server's publish key
    #[arg(long, value_name = "KEY", env = "CAMPANILE_PUBLISH_KEY", hide_env_values = true)]
    pub(super) publish_key: Option<String>,
    /// Path of the sockets; `{token}` is replaced [default: by dialect]
    #[arg(long)]
    pub(super) path: Option<String>,
    /// Channel of a user; `{user_id}` is replaced
    #[arg(long, default_value = "user:{user_id}:notifications")]
    pub(super) channel: String,
    /// Channel of all users
    #[arg(long, default_value = "broadcast:notifications")]
    pub(super) broadcast_channel: String,
    /// Function that appends to a user's log
    #[arg(long, value_name = "NAME", default_value = "campanile_notify")]
    pub(super) function: String,
    /// Allow a target that is not loopback
    #[arg(long)]
    pub(super) i_own_this_server: bool,
}

impl TargetArgs {
    /// Whether the server was there before, so that it cannot be restarted.
    pub(crate) fn attaches(&self) -> bool {
        self.gateway.is_some()
    }

    /// The same for a server of another kind.
    pub(crate) fn of_kind(&self, server: Kind) -> Self {
        Self { server, dialect: None, ..self.clone() }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.server
    }

    /// Fails in a scenario that has to stop and start its servers.
    pub(crate) fn must_start(&self) -> Result<()> {
        ensure!(!self.attaches(), "this scenario stops its servers: it takes no --gateway");
        Ok(())
    }

    /// What clients speak, if the scenario would have them speak `usual` to the gateway.
    pub(super) fn dialect(&self, usual: Dialect) -> Dialect {
        self.dialect.unwrap_or(match self.server {
            Kind::Campanile => usual,
            Kind::SocketIo => Dialect::SocketIo,
            Kind::Ws => Dialect::Plain,
        })
    }

    pub(super) fn path(&self, dialect: Dialect) -> String {
        let usual = match self.server {
            Kind::Ws => "/?token={token}",
            Kind::Campanile | Kind::SocketIo => dialect.path(),
        };
        self.path.clone().unwrap_or_else(|| usual.to_owned())
    }

    /// How to publish, if the scenario would have `usual` for the gateway.
    pub(super) fn lane(&self, dialect: Dialect, usual: Lane) -> Result<Lane> {
        let of_dialect = if dialect == Dialect::Centrifugo { Lane::Http } else { usual };
        let usual = if self.server == Kind::Campanile { of_dialect } else { Lane::Publish };
        let lane = self.publish.unwrap_or(usual);
        ensure!(
            self.server == Kind::Campanile || lane == Lane::Publish,
            "{} has no such lane: it takes --publish publish",
            self.server.name()
        );
        ensure!(
            dialect != Dialect::Centrifugo || lane == Lane::Http,
            "Centrifugo is published to over HTTP: use --publish http"
        );
        Ok(lane)
    }
}

/// Splits `NAME=VALUE`.
pub(super) fn setting(text: &str) -> Result<(&str, &str)> {
    let (name, value) = text.split_once('=').context("--gateway-env takes NAME=VALUE")?;
    ensure!(!name.is_empty(), "--gateway-env takes NAME=VALUE");
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: TargetArgs,
    }

    fn args(line: &[&str]) -> TargetArgs {
        let words = std::iter::once("load").chain(line.iter().copied());
        <Line as clap::Parser>::parse_from(words).args
    }

    #[test]
    fn each_server_has_its_dialect_path_and_lane() {
        for (line, dialect, path, lane) in [
            (vec![], Dialect::Bare, "/api/ws", Lane::Fcall),
            (vec!["--server", "ws"], Dialect::Plain, "/?token={token}", Lane::Publish),
            (
                vec!["--dialect", "socket.io", "--publish", "http"],
                Dialect::SocketIo,
                "/socket.io/?EIO=4&transport=websocket",
                Lane::Http,
            ),
            (vec!["--dialect", "plain", "--path", "/x"], Dialect::Plain, "/x", Lane::Fcall),
            (
                vec!["--dialect", "centrifugo"],
                Dialect::Centrifugo,
                "/connection/websocket",
                Lane::Http,
            ),
        ] {
            let args = args(&line);
            assert_eq!(args.dialect(Dialect::Bare), dialect, "{line:?}");
            assert_eq!(args.path(dialect), path, "{line:?}");
            assert_eq!(args.lane(dialect, Lane::Fcall).unwrap(), lane, "{line:?}");
        }
        let peer = args(&["--server", "socket.io", "--publish", "fcall"]);
        assert!(peer.lane(Dialect::SocketIo, Lane::Publish).is_err());
    }

    #[test]
    fn a_setting_is_a_name_and_a_value() {
        assert_eq!(setting("A=b=c").unwrap(), ("A", "b=c"));
        assert!(setting("=b").is_err() && setting("A").is_err());
    }
}
