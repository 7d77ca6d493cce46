use std::path::PathBuf;
use std::time::Duration;

use super::kind::{DURATION_OR_ZERO, Kind, PEM_FILE};
use super::servers::{Servers, Topology};
use super::{Reader, Refused, Secret, Setting};

/// The Redis that replicas share.
#[derive(Clone, Debug)]
pub struct Redis {
    /// What [`Servers::parse`] takes; `None` is the embedded broker, one replica.
    pub url: Option<Secret>,
    /// PEM of the authorities that sign the server's certificate; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// PEM of the client certificate; `Some` exactly when [`key_file`](Self::key_file) is.
    pub cert_file: Option<PathBuf>,
    /// PEM of the client certificate's private key.
    pub key_file: Option<PathBuf>,
    /// Prefix of every key and internal channel.
    pub prefix: String,
    /// How long Redis may be away before the replica reports not ready.
    pub grace: Duration,
    /// [`PubSub::Sharded`] only with the address of a cluster.
    pub pubsub: PubSub,
}

/// How notifications travel inside Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PubSub {
    /// PUBLISH: in a cluster, every node passes on everything.
    #[default]
    Classic,
    /// SPUBLISH: only the node that has the channel's slot, and its replicas.
    Sharded,
}

/// Raw options of [`Redis`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Redis")]
pub struct RedisArgs {
    /// The Redis that all replicas share: `redis://`, `redis+sentinel://` or `redis+cluster://`,
    /// and with TLS `rediss…`. Default: none, an embedded broker for one replica.
    ///
    /// `redis://[user:password@]host[:port][/database]`,
    /// `redis+sentinel://[user:password@]host[:port],…/master_name[/database]` (port 26379; the
    /// sentinels' own user as `?sentinel_username=…&sentinel_password=…`), or
    /// `redis+cluster://[user:password@]host[:port],…` with some of the nodes. Reserved characters in a
    /// password are percent-encoded. Flags show in the process list, so a password belongs in the variable.
    #[arg(
        long,
        env = "CAMPANILE_REDIS_URL",
        value_name = "URL",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub redis_url: Option<Secret>,

    /// PEM file with the authorities that sign the certificates of the `rediss…` servers.
    /// Default: the public ones.
    #[arg(long, env = "CAMPANILE_REDIS_CA_FILE", value_name = "FILE")]
    pub redis_ca_file: Option<String>,

    /// PEM file with the client certificate for `rediss…`; goes with the key file. Default: none.
    #[arg(long, env = "CAMPANILE_REDIS_CERT_FILE", value_name = "FILE")]
    pub redis_cert_file: Option<String>,

    /// PEM file with the private key of the client certificate. Default: none.
    #[arg(long, env = "CAMPANILE_REDIS_KEY_FILE", value_name = "FILE")]
    pub redis_key_file: Option<String>,

    /// Prefix of every key and internal channel.
    ///
    /// Two installations with different prefixes can share one Redis.
    #[arg(long, env = "CAMPANILE_REDIS_PREFIX", value_name = "TEXT", default_value = "campanile:")]
    pub redis_prefix: String,

    /// How long Redis may be away before `/readyz` answers 503; open sockets stay.
    #[arg(long, env = "CAMPANILE_REDIS_GRACE", value_name = "DURATION", default_value = "10s")]
    pub redis_grace: String,

    /// `classic` (PUBLISH) or `sharded` (SPUBLISH), which spares the nodes of a cluster from passing
    /// everything on to each other.
    ///
    /// Sharded wants a `redis+cluster://` address and a channel whose hash tag is the user, and publishers
    /// that say SPUBLISH.
    #[arg(long, env = "CAMPANILE_PUBSUB", value_name = "KIND", default_value = "classic")]
    pub pubsub: String,
}

const URL: Kind<Secret> = Kind {
    allowed: "redis://[user:password@]host[:port][/database], \
              redis+sentinel://[user:password@]host[:port],…/master_name[/database], \
              redis+cluster://[user:password@]host[:port],…, or rediss… for TLS",
    example: "redis://redis.internal:6379",
    parse: redis_url,
};

const PREFIX: Kind<String> = Kind {
    allowed: "up to 128 bytes without white space, control characters and braces",
    example: "campanile:",
    parse: |text| {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '{' || c == '}';
        if text.len() > 128 {
            Err("is longer than 128 bytes".to_owned())
        } else if text.contains(bad) {
            Err("has white space, a control character or a brace".to_owned())
        } else {
            Ok(text.to_owned())
        }
    },
};

const PUBSUB: Kind<PubSub> = Kind {
    allowed: "classic, or with a redis+cluster:// address sharded",
    example: "classic",
    parse: |text| match text {
        "classic" => Ok(PubSub::Classic),
        "sharded" => Ok(PubSub::Sharded),
        _ => Err("is neither classic nor sharded".to_owned()),
    },
};

impl RedisArgs {
    pub(crate) fn read(&self, reader: &mut Reader) -> Result<Redis, Refused> {
        let url = self
            .redis_url
            .as_ref()
            .map(|raw| reader.secret(Setting::new("redis-url"), raw.expose().trim(), &URL));
        let files = [
            ("redis-ca-file", &self.redis_ca_file),
            ("redis-cert-file", &self.redis_cert_file),
            ("redis-key-file", &self.redis_key_file),
        ];
        let [ca_file, cert_file, key_file] =
            files.map(|(name, raw)| reader.optional(name, raw.as_deref(), &PEM_FILE));
        let prefix = reader.value("redis-prefix", &self.redis_prefix, &PREFIX);
        let grace = reader.value("redis-grace", &self.redis_grace, &DURATION_OR_ZERO);

        let pubsub = reader.value("pubsub", &self.pubsub, &PUBSUB);

        self.check_client_certificate(reader);
        let url = url.transpose()?;
        let is_cluster = |url: &Secret| {
            Servers::parse(url.expose())
                .is_ok_and(|servers| matches!(servers.topology, Topology::Cluster))
        };
        if pubsub == Ok(PubSub::Sharded) && !url.as_ref().is_some_and(is_cluster) {
            reader.problem(
                "pubsub",
                format!(
                    "it is sharded, but --redis-url (CAMPANILE_REDIS_URL) is not the address of a \
                     cluster; allowed: {}; example: {}",
                    PUBSUB.allowed, PUBSUB.example
                ),
            );
        }
        if !url.as_ref().is_some_and(has_tls) {
            for (name, _) in files.iter().filter(|(_, raw)| raw.is_some()) {
                reader.problem(
                    name,
                    "it is set, but --redis-url (CAMPANILE_REDIS_URL) is not a rediss… address; \
                     allowed: only together with TLS; example: rediss://redis.internal:6379",
                );
            }
        }
        Ok(Redis {
            url,
            ca_file: ca_file?,
            cert_file: cert_file?,
            key_file: key_file?,
            prefix: prefix?,
            grace: grace?,
            pubsub: pubsub?,
        })
    }

    fn check_client_certificate(&self, reader: &mut Reader) {
        let (missing, given) = match (&self.redis_cert_file, &self.redis_key_file) {
            (Some(_), None) => ("redis-key-file", "redis-cert-file"),
            (None, Some(_)) => ("redis-cert-file", "redis-key-file"),
            _ => return,
        };
        reader.problem(
            missing,
            format!(
                "it is missing, but {} is set; allowed: both or neither; \
                 example: /etc/campanile/client.pem",
                Setting::new(given)
            ),
        );
    }
}

fn redis_url(text: &str) -> Result<Secret, String> {
    Servers::parse(text).map(|_| Secret::new(text))
}

fn has_tls(url: &Secret) -> bool {
    Servers::parse(url.expose()).is_ok_and(|servers| servers.is_tls)
}
