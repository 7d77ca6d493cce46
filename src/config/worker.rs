use std::net::SocketAddr;

use super::amqp::AmqpArgs;
use super::channels::check_sharded;
use super::inbox::RetentionArgs;
use super::listen::OpsArgs;
use super::log::LogArgs;
use super::mail::check_mail;
use super::publish::PayloadArgs;
use super::reader::collect;
use super::redis::RedisArgs;
use super::{Amqp, Channels, ChannelsArgs, Inbox, Log, Mail, MailArgs, Problems, Redis, Warning};

/// Everything `campanile worker` needs, validated. It has at least one role.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Private listener: probes and metrics.
    pub ops: SocketAddr,
    /// Always with a URL.
    pub redis: Redis,
    /// As on the replicas.
    pub channels: Channels,
    /// As on the replicas; a worker captures nothing.
    pub inbox: Inbox,
    /// Largest published notification, in bytes.
    pub max_payload_bytes: usize,
    /// Role: take notifications from a queue.
    pub amqp: Option<Amqp>,
    /// Role, with a sender: mail what stays unread.
    pub mail: Mail,
    /// Filter and form of the lines on standard error.
    pub log: Log,
}

/// The options of `campanile worker`, as text: one bad value must not hide the others.
#[derive(clap::Args, Clone, Debug)]
pub struct WorkerArgs {
    #[command(flatten)]
    pub(crate) ops: OpsArgs,
    #[command(flatten)]
    pub(crate) redis: RedisArgs,
    #[command(flatten)]
    pub(crate) channels: ChannelsArgs,
    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,
    #[command(flatten)]
    pub(crate) amqp: AmqpArgs,
    #[command(flatten)]
    pub(crate) mail: MailArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

impl Worker {
    /// Validates all options and gives the configuration with its warnings, or every problem.
    pub fn from_args(args: &WorkerArgs) -> Result<(Self, Vec<Warning>), Problems> {
        collect(|reader| {
            let ops = args.ops.read(reader);
            let redis = args.redis.read(reader);
            let channels = args.channels.read(reader);
            let max_payload_bytes = args.payload.read(reader);
            let inbox = args.retention.read(reader);
            let amqp = args.amqp.read(reader);
            let mail = args.mail.read(reader);
            let log = args.log.read(reader);

            check_mail(reader, mail.as_ref().ok(), inbox.as_ref().ok());
            check_sharded(reader, redis.as_ref().ok(), channels.as_ref().ok());
            if redis.as_ref().is_ok_and(|redis| redis.url.is_none()) {
                reader.problem(
                    "redis-url",
                    "it is not set, and a worker reaches the sockets of the replicas only through \
                     the Redis that they share; allowed: the same address as theirs; example: \
                     redis://redis.internal:6379",
                );
            }
            // Every role counts here, so that a worker without any says so.
            let has_no_queue = amqp.as_ref().is_ok_and(Option::is_none);
            if has_no_queue && mail.as_ref().is_ok_and(|mail| mail.sender.is_none()) {
                reader.problem(
                    "amqp-url",
                    "neither it nor --smtp-url (CAMPANILE_SMTP_URL) is set, so this worker has nothing \
                     to do; allowed: the address of a RabbitMQ, or of a mail server there; example: \
                     amqp://rabbitmq.internal:5672",
                );
            }
            Ok(Self {
                ops: ops?,
                redis: redis?,
                channels: channels?,
                inbox: inbox?,
                max_payload_bytes: max_payload_bytes?,
                amqp: amqp?,
                mail: mail?,
                log: log?,
            })
        })
    }
}
