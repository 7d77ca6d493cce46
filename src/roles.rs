//! What runs beside the sockets, in `serve` and in `campanile worker` alike: taking from RabbitMQ, and mailing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::broker::Broker;
use crate::config::{Amqp, Mail};
use crate::ingest::rabbit::{self, BadAddress, Rabbit};
use crate::mail;
use crate::telemetry::Metrics;

/// How long a mail that is being handed over has to be, once this process stops.
const LAST_MAIL: Duration = Duration::from_secs(2);

/// What [`Roles::start`] needs to know.
pub struct Parts<'a> {
    /// `None`: no queue is read.
    pub amqp: Option<&'a Amqp>,
    /// Without a sender nothing is mailed here.
    pub mail: &'a Mail,
    /// Where notifications go, with the logs and the schedule.
    pub broker: &'a Broker,
    /// Unique to this run of this process.
    pub replica: &'a str,
    /// Whether logs are kept.
    pub has_inbox: bool,
    /// Largest notification.
    pub max_payload_bytes: usize,
    /// Gets what they count.
    pub metrics: &'a Arc<Metrics>,
}

/// Those that are configured, running.
pub struct Roles {
    rabbit: Option<Rabbit>,
    mailing: Option<mail::Handle>,
}

impl Roles {
    /// Starts on the current runtime.
    ///
    /// # Errors
    /// The address of RabbitMQ, or its certificate, cannot be used.
    pub fn start(parts: &Parts<'_>) -> Result<Self, BadAddress> {
        let take = |amqp: &Amqp| {
            let parts = rabbit::Parts {
                broker: parts.broker.clone(),
                has_inbox: parts.has_inbox,
                max_payload_bytes: parts.max_payload_bytes,
                metrics: parts.metrics.clone(),
            };
            Rabbit::start(amqp.clone(), parts)
        };
        let mail = |(sender, after): (&_, _)| {
            mail::start(mail::Setup {
                broker: parts.broker.clone(),
                replica: parts.replica.to_owned(),
                sender: Clone::clone(sender),
                after,
                metrics: parts.metrics.clone(),
            })
        };
        Ok(Self {
            rabbit: parts.amqp.map(take).transpose()?,
            mailing: parts.mail.sender.as_ref().zip(parts.mail.after).map(mail),
        })
    }

    /// Names of those that run, for the log.
    pub fn names(&self) -> Vec<&'static str> {
        let rabbit = self.rabbit.as_ref().map(|_| "rabbitmq");
        rabbit.into_iter().chain(self.mailing.as_ref().map(|_| "e-mail")).collect()
    }

    /// Whether none has ended by itself.
    pub fn are_running(&self) -> bool {
        self.rabbit.as_ref().is_none_or(Rabbit::is_running)
            && self.mailing.as_ref().is_none_or(mail::Handle::is_running)
    }

    /// Takes nothing new, finishes what is in hand, and returns within a bound; others take over meanwhile.
    pub async fn stop(&self) {
        let consume = async {
            if let Some(rabbit) = &self.rabbit {
                rabbit.stop().await;
            }
        };
        let send = async {
            if let Some(mailing) = &self.mailing
                && timeout(LAST_MAIL, mailing.stop()).await.is_err()
            {
                tracing::warn!("a mail was being handed over; another replica will, perhaps again");
            }
        };
        tokio::join!(consume, send);
    }
}
