//! What one replica is told: one small struct per concern, read from flags and environment.

mod secret;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use secret::Secret;

/// Everything `campanile serve` needs, validated.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: Listen,
    pub redis: Redis,
    pub channels: Channels,
    pub auth: Auth,
    pub publish: Publish,
    pub origins: Origins,
    pub keepalive: Keepalive,
    pub limits: Limits,
    pub drain: Drain,
    pub log: Log,
}

/// Listeners and threads.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Public: sockets and HTTP API.
    pub public: SocketAddr,
    /// Private: probes and metrics.
    pub ops: SocketAddr,
    /// Threads that own sockets.
    pub workers: usize,
}

/// The Redis that replicas share.
#[derive(Clone, Debug)]
pub struct Redis {
    /// `redis://` or `rediss://`; `None` is the embedded broker, one replica.
    pub url: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Prefix of every key and internal channel.
    pub prefix: String,
    /// How long Redis may be away before the replica reports not ready.
    pub grace: Duration,
}

/// Names of the channels publishers use.
#[derive(Clone, Debug)]
pub struct Channels {
    /// Contains `{user_id}` exactly once.
    pub user: String,
    pub broadcast: String,
}

/// Who may connect, and how the token travels.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// HS256/384/512 secrets; several while rotating.
    pub secrets: Vec<Secret>,
    /// PEM of an RSA, EC or Ed25519 public key (or several, concatenated).
    pub public_key_file: Option<PathBuf>,
    pub jwks_url: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub leeway: Duration,
    /// `None`: the first present of `sub`, `user_id`, `userId`.
    pub user_claim: Option<String>,
    /// Accept `?token=`.
    pub query_token: bool,
    /// Accept the token from this cookie; an Origin is then required.
    pub token_cookie: Option<String>,
}

/// The publish API.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    /// Empty: the API is off.
    pub keys: Vec<Secret>,
    /// Largest published notification, in bytes.
    pub max_payload_bytes: usize,
}

/// Which web origins may open sockets and call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// The origin's host must equal the `Host` header.
    SameHost,
    Any,
    /// Compared as scheme, host and port, lower case.
    List(Vec<String>),
}

/// Dead and stalled peers.
#[derive(Clone, Debug)]
pub struct Keepalive {
    pub ping_interval: Duration,
    pub pong_timeout: Duration,
    pub write_timeout: Duration,
}

/// Bounds on what peers may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Inbound frame; `None`: 512 on `/api/ws`, else 4096.
    pub max_frame_bytes: Option<usize>,
    /// Outbox of one socket, frames.
    pub send_queue: usize,
    /// Outbox of one socket, bytes.
    pub send_queue_bytes: usize,
    /// `None`: unlimited.
    pub max_connections: Option<usize>,
    /// Cluster-wide; `None`: unlimited (`0`).
    pub max_connections_per_user: Option<u32>,
    /// `None`: off (`0`).
    pub connections_per_ip_per_second: Option<u32>,
    /// Client commands on one socket; `None`: unlimited (`0`).
    pub commands_per_second: Option<u32>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

/// What SIGTERM does.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Not ready, still serving.
    pub delay: Duration,
    /// Closes are spread over this.
    pub window: Duration,
}

/// Logging.
#[derive(Clone, Debug)]
pub struct Log {
    /// A `tracing` filter such as `info` or `campanile=debug`.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
