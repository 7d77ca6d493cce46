use super::adapter::{AdapterArgs, check_adapter};
use super::amqp::AmqpArgs;
use super::auth::AuthArgs;
use super::channels::{ChannelsArgs, check_sharded};
use super::drain::DrainArgs;
use super::inbox::InboxArgs;
use super::keepalive::KeepaliveArgs;
use super::limits::LimitsArgs;
use super::listen::ListenArgs;
use super::log::LogArgs;
use super::mail::{MailArgs, check_mail};
use super::origins::{Origins, OriginsArgs};
use super::publish::PublishArgs;
use super::reader::{Reader, collect};
use super::redis::RedisArgs;
use super::socketio::SocketIoArgs;
use super::{Auth, Config, Limits, Problems, Publish, Setting, Warning};

/// The options of `campanile serve`, as text: one bad value must not hide the others.
#[derive(clap::Args, Clone, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) redis: RedisArgs,
    #[command(flatten)]
    pub(crate) channels: ChannelsArgs,
    #[command(flatten)]
    pub(crate) adapter: AdapterArgs,
    #[command(flatten)]
    pub(crate) auth: AuthArgs,
    #[command(flatten)]
    pub(crate) origins: OriginsArgs,
    #[command(flatten)]
    pub(crate) publish: PublishArgs,
    #[command(flatten)]
    pub(crate) inbox: InboxArgs,
    #[command(flatten)]
    pub(crate) mail: MailArgs,
    #[command(flatten)]
    pub(crate) keepalive: KeepaliveArgs,
    #[command(flatten)]
    pub(crate) limits: LimitsArgs,
    #[command(flatten)]
    pub(crate) socketio: SocketIoArgs,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) amqp: AmqpArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Whether a configuration without any key to verify tokens is a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtKey {
    /// For `serve`: it would refuse every client.
    Required,
    /// The caller supplies its own.
    Optional,
}

impl Config {
    /// Validates all options and gives the configuration with its warnings, or every problem.
    pub fn from_args(args: &ServeArgs, jwt_key: JwtKey) -> Result<(Self, Vec<Warning>), Problems> {
        collect(|reader| {
            let listen = args.listen.read(reader);
            let redis = args.redis.read(reader);
            let channels = args.channels.read(reader);
            let socketio_adapter = args.adapter.read(reader);
            let auth = args.auth.read(reader, jwt_key);
            let origins = args.origins.read(reader);
            let publish = args.publish.read(reader);
            let inbox = args.inbox.read(reader);
            let mail = args.mail.read(reader);
            let keepalive = args.keepalive.read(reader);
            let limits = args.limits.read(reader);
            let socketio = args.socketio.read(reader);
            let drain = args.drain.read(reader);
            let amqp = args.amqp.read(reader);
            let log = args.log.read(reader);

            check_sharded(reader, redis.as_ref().ok(), channels.as_ref().ok());
            check_adapter(reader, redis.as_ref().ok(), socketio_adapter.ok());
            check_cookie(reader, auth.as_ref().ok(), origins.as_ref().ok());
            check_mail(reader, mail.as_ref().ok(), inbox.as_ref().ok());
            check_queue(reader, publish.as_ref().ok(), limits.as_ref().ok());
            Ok(Self {
                listen: listen?,
                redis: redis?,
                channels: channels?,
                socketio_adapter: socketio_adapter?,
                auth: auth?,
                publish: publish?,
                inbox: inbox?,
                mail: mail?,
                origins: origins?,
                keepalive: keepalive?,
                limits: limits?,
                socketio: socketio?,
                drain: drain?,
                amqp: amqp?,
                log: log?,
            })
        })
    }
}

/// Browsers attach cookies on their own, so the origin must tell friend from foe.
fn check_cookie(reader: &mut Reader, auth: Option<&Auth>, origins: Option<&Origins>) {
    let cookie = auth.and_then(|auth| auth.token_cookie.as_deref());
    if let (Some(cookie), Some(Origins::Any)) = (cookie, origins) {
        reader.problem(
            "token-cookie",
            format!(
                "{cookie:?} together with --allowed-origins (CAMPANILE_ALLOWED_ORIGINS) * lets \
                 every website act for a signed-in user (CSRF); allowed: the cookie with a list \
                 of origins, or * without the cookie; example: \
                 CAMPANILE_ALLOWED_ORIGINS=https://app.example.com"
            ),
        );
    }
}

fn check_queue(reader: &mut Reader, publish: Option<&Publish>, limits: Option<&Limits>) {
    if let (Some(publish), Some(limits)) = (publish, limits)
        && limits.send_queue_bytes < publish.max_payload_bytes
    {
        reader.warn(
            Setting::new("send-queue-bytes"),
            "it is less than --max-payload-bytes (CAMPANILE_MAX_PAYLOAD_BYTES), so the largest \
             notifications may not fit the queue of any socket",
        );
    }
}
