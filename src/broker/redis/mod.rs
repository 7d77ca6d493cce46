//! Replicas that share a Redis: a connection that only listens (`bus`), pools for commands (`nodes`), and a
//! task that tells how many sockets each user has here (`presence`). Two of them listen to all users
//! (`capture`). `topology` knows where Redis is.

mod adapter;
mod bus;
mod capture;
mod channels;
mod commands;
mod connect;
mod functions;
mod heard;
mod inspect;
mod log;
mod mail;
mod nodes;
mod pipeline;
mod places;
mod presence;
mod pursue;
mod resp;
mod shards;
mod slots;
mod tags;
mod tls;
mod topology;
mod wire;

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use channels::Channels;
pub use commands::Commands;
pub use connect::BadEndpoint;

use super::log::Retention;
use super::{Away, Census, Claim, Interest, Link, Record, Sink};
use crate::config;
use crate::notification::{Target, UserId};
use crate::telemetry::Metrics;
use adapter::Answers;
use bus::{Bus, Probes};
use log::Log;
use mail::Mail;
use presence::{Presence, Registrar};

/// What one replica asks of all.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Disconnect {
        user: String,
    },
    /// A lease of those that capture is free.
    Vacancy {},
    /// From `campanile check`, to see whether it may be said.
    Nothing {},
}

/// The broker of replicas that share a Redis.
pub struct Redis {
    commands: Arc<Commands>,
    log: Arc<Log>,
    mail: Mail,
    registrar: Registrar,
    capture: Option<capture::Handle>,
    link: Arc<Link>,
}

/// What [`Redis::start`] needs to know.
pub struct Setup {
    /// Must be the same on all replicas and publishers of one installation.
    pub channels: Channels,
    /// Unique to this run of this replica.
    pub replica: String,
    /// A longer payload is skipped while it is read, never stored; see [`Sink::oversized`].
    pub max_payload_bytes: usize,
    /// How much of each log is kept.
    pub retention: Retention,
    /// Has plain notifications kept for users who are offline; `None`: they are not kept.
    pub recorder: Option<Arc<dyn Record>>,
    /// Gets the `campanile_redis_*` family.
    pub metrics: Arc<Metrics>,
}

impl Redis {
    /// Starts listening and reporting on the current runtime. Redis need not be there yet.
    ///
    /// # Errors
    /// The URL or a certificate cannot be used.
    pub fn start(
        config: &config::Redis,
        setup: Setup,
        interest: Arc<dyn Interest>,
        sink: Box<dyn Sink>,
    ) -> Result<Arc<Self>, BadEndpoint> {
        let Setup { channels, replica, max_payload_bytes, retention, recorder, metrics } = setup;
        let commands = Arc::new(Commands::new(config, channels, metrics.clone())?);
        let log = Arc::new(Log::new(commands.clone(), retention));
        let (link, probes) = (Arc::<Link>::default(), Arc::<Probes>::default());
        let vacancy = Arc::<Notify>::default();
        // There is no sharded PSUBSCRIBE.
        let capture = recorder.filter(|_| !commands.is_sharded()).map(|recorder| {
            capture::start(capture::Parts {
                commands: commands.clone(),
                replica: replica.clone(),
                recorder,
                metrics: metrics.clone(),
                max_payload_bytes,
                vacancy: vacancy.clone(),
            })
        });
        let is_asked = commands.channels.adapter() == config::SocketIoAdapter::Sharded;
        let answers = is_asked.then(|| Answers::start(commands.clone(), metrics.clone()));
        let bus = Bus {
            nodes: commands.nodes.clone(),
            channels: commands.channels.clone(),
            replica: replica.clone(),
            interest: interest.clone(),
            sink,
            link: link.clone(),
            probes: probes.clone(),
            metrics,
            max_payload_bytes,
            vacancy,
            answers,
            is_sharded: commands.is_sharded(),
            doubted: HashSet::new(),
        };
        tokio::spawn(bus.run());
        if retention.size > 0 {
            tokio::spawn(functions::keep(log.clone(), probes.clone(), max_payload_bytes));
        }
        let (presence, registrar) = Presence::new(commands.clone(), replica, interest, probes);
        tokio::spawn(presence.run());
        let mail = Mail::new(commands.clone());
        Ok(Arc::new(Self { commands, log, mail, registrar, capture, link }))
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn mail(&self) -> &Mail {
        &self.mail
    }

    pub(super) async fn publish_all(&self, items: &[(Target<'_>, &str)]) -> Result<Vec<u64>, Away> {
        self.commands.publish(items).await
    }

    pub(super) async fn claim(&self, user: &UserId) -> Claim {
        self.registrar.claim(user).await
    }

    pub(super) async fn census(&self) -> Result<Census, Away> {
        self.commands.census().await
    }

    pub(super) async fn connections_of(&self, user: &UserId) -> Result<u64, Away> {
        self.commands.connections_of(user).await
    }

    pub(super) async fn disconnect(&self, user: &UserId) -> Result<(), Away> {
        self.commands.order(&Order::Disconnect { user: user.as_str().to_owned() }).await
    }

    pub(super) async fn stop(&self) {
        let capture = async {
            if let Some(capture) = &self.capture {
                capture.stop().await;
            }
        };
        tokio::join!(self.registrar.stop(), capture);
    }
}
