//! What one replica is told: one small struct per concern, read from flags and environment.
//!
//! Every file declares the options of its concern once, as a clap struct of raw text, beside the
//! validated struct and the way from one to the other. A [`Reader`] collects all problems.

mod adapter;
mod amqp;
mod args;
mod auth;
mod channels;
mod drain;
mod inbox;
mod keepalive;
mod kind;
mod limits;
mod listen;
mod log;
mod mail;
mod origins;
mod problem;
mod publish;
mod reader;
mod redis;
#[cfg(test)]
mod reference;
mod secret;
mod servers;
mod smtp;
mod socketio;
#[cfg(test)]
mod tests;
mod unknown;
mod url;
mod worker;

pub use adapter::{AdapterArgs, SocketIoAdapter};
pub use amqp::{Amqp, AmqpArgs};
pub use args::{JwtKey, ServeArgs};
pub use auth::{Auth, AuthArgs, JwtClaims, JwtClaimsArgs, JwtSecretArgs};
pub(crate) use channels::check_sharded;
pub use channels::{Channels, ChannelsArgs};
pub use drain::{Drain, DrainArgs};
pub use inbox::{Inbox, InboxArgs, RetentionArgs};
pub use keepalive::{Keepalive, KeepaliveArgs};
pub use limits::{Limits, LimitsArgs};
pub use listen::{Listen, ListenArgs, OpsArgs};
pub use log::{Log, LogArgs, LogFormat};
pub use mail::{Mail, MailArgs, MailSender};
pub use origins::{Origins, OriginsArgs, normalise_origin};
pub use problem::{Problem, Problems, Setting, Warning};
pub use publish::{PayloadArgs, Publish, PublishArgs};
pub use reader::{Reader, Refused, collect};
pub use redis::{PubSub, Redis, RedisArgs};
pub use secret::Secret;
pub use servers::{Servers, Topology};
pub use smtp::{SmtpServer, SmtpTls};
pub use socketio::{SocketIo, SocketIoArgs};
pub use unknown::unknown_variables;
pub use worker::{Worker, WorkerArgs};

/// Everything `campanile serve` needs, validated.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses and threads.
    pub listen: Listen,
    /// Without a URL the embedded broker serves, so there can be one replica only.
    pub redis: Redis,
    /// Where notifications are heard; the same on every replica and publisher.
    pub channels: Channels,
    /// Which publishers of Socket.IO are heard besides; off without a Redis URL.
    pub socketio_adapter: SocketIoAdapter,
    /// Keys, claims, and the carriers a token may come by.
    pub auth: Auth,
    /// Who may publish over HTTP, and the size limit of every lane.
    pub publish: Publish,
    /// Checked for sockets and CORS alike (RFC 6454).
    pub origins: Origins,
    /// When a peer is pinged, dead or stalled.
    pub keepalive: Keepalive,
    /// Admission, rates and outboxes.
    pub limits: Limits,
    /// How long a stop takes: delay, then window.
    pub drain: Drain,
    /// What is kept for each user.
    pub inbox: Inbox,
    /// What happens to that which stays unread there.
    pub mail: Mail,
    /// The queue to read; `None`: none.
    pub amqp: Option<Amqp>,
    /// What only Socket.IO has.
    pub socketio: SocketIo,
    /// Filter and form of the lines on standard error.
    pub log: Log,
}
