//! Connections to RabbitMQ, and the queues there. Every answer has a deadline, and no text has a password.

use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::tcp::{AMQPUriTcpExt, OwnedTLSConfig};
use lapin::types::{FieldTable, ShortString};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config;

/// How long a connection may take to be made, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer on an open connection may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds between heartbeats; a peer that has been silent for two of them is dead.
const HEARTBEAT: u16 = 10;

/// Why something did not work, for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Trouble {
    text: String,
    /// What RabbitMQ objects to, if it was RabbitMQ.
    pub(super) objection: Option<AMQPSoftError>,
}

impl Trouble {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), objection: None }
    }

    fn of(doing: &dyn fmt::Display, error: &lapin::Error) -> Self {
        let objection = match error.kind() {
            lapin::ErrorKind::ProtocolError(error) => match error.kind() {
                AMQPErrorKind::Soft(soft) => Some(soft.clone()),
                AMQPErrorKind::Hard(_) => None,
            },
            _ => None,
        };
        let why = match error.kind() {
            lapin::ErrorKind::ProtocolError(error) => error.get_message().to_string(),
            lapin::ErrorKind::IOError(error) => error.to_string(),
            _ => error.to_string(),
        };
        Self { text: format!("{doing}: {why}"), objection }
    }
}

/// What `future` gives, unless that takes longer than an answer may.
pub(super) async fn answer<T>(
    doing: impl fmt::Display,
    future: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Trouble> {
    match timeout(ANSWER_TIMEOUT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Trouble::of(&doing, &error)),
        Err(_elapsed) => Err(Trouble::new(format!("{doing}: no answer within {ANSWER_TIMEOUT:?}"))),
    }
}

/// Where RabbitMQ is and how it lets in.
pub(super) struct Door {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    /// Somebody accepted the last connection and did not say a word.
    is_silent: AtomicBool,
}

impl Door {
    pub(super) fn new(config: &config::Amqp) -> Result<Self, Trouble> {
        // The library's text may quote the address, and the address may hold a password.
        let bad = |_| Trouble::new("CAMPANILE_AMQP_URL is not the address of a RabbitMQ");
        let mut uri: AMQPUri = config.url.expose().parse().map_err(bad)?;
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat = Some(HEARTBEAT);
        let read = |path: &std::path::PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| Trouble::new(format!("{}: {error}", path.display())))
        };
        let cert_chain = config.ca_file.as_ref().map(read).transpose()?;
        let tls = OwnedTLSConfig { identity: None, cert_chain };
        Ok(Self { uri, tls, is_silent: AtomicBool::new(false) })
    }

    /// `name` is what RabbitMQ shows for the connection.
    pub(super) async fn connect(&self, name: &str) -> Result<Connection, Trouble> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime()
            .map_err(|error| Trouble::of(&"no runtime", &error))?;
        let doing = format!("cannot connect to {self}");
        if self.is_silent.load(Ordering::Relaxed) {
            self.hear().await?;
        }
        let tls = self.tls.clone();
        // lapin itself would wait for TCP and TLS as long as the kernel does.
        let connect = async move |uri: AMQPUri, runtime| {
            let connecting = uri.connect_with_config_async(tls.as_ref(), &runtime);
            let stream = timeout(CONNECT_TIMEOUT, connecting).await;
            stream.unwrap_or_else(|_elapsed| Err(ErrorKind::TimedOut.into())).map_err(Into::into)
        };
        let connecting = Connection::connector(self.uri.clone(), runtime, connect, properties);
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Trouble::of(&doing, &error)),
            Err(_elapsed) => {
                self.is_silent.store(true, Ordering::Relaxed);
                Err(Trouble::new(format!("{doing}: no answer within {CONNECT_TIMEOUT:?}")))
            }
        }
    }

    /// Asks for the first word of the protocol, on a connection that can be closed whatever comes. lapin keeps a
    /// thread for each that it opens until somebody answers, so a silent peer must not be asked by it again
    /// and again.
    async fn hear(&self) -> Result<(), Trouble> {
        let authority = &self.uri.authority;
        let asking = async {
            let mut stream = TcpStream::connect((authority.host.as_str(), authority.port)).await?;
            if self.uri.scheme == AMQPScheme::AMQP {
                stream.write_all(b"AMQP\0\0\x09\x01").await?;
                stream.read_u8().await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let why = match timeout(CONNECT_TIMEOUT, asking).await {
            Ok(Ok(())) => {
                self.is_silent.store(false, Ordering::Relaxed);
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("no answer within {CONNECT_TIMEOUT:?}"),
        };
        Err(Trouble::new(format!("cannot connect to {self}: {why}")))
    }
}

/// `host:port`, and the virtual host unless it is `/`.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uri.authority.host, self.uri.authority.port)?;
        if self.uri.vhost == "/" { Ok(()) } else { write!(f, ", virtual host {}", self.uri.vhost) }
    }
}

pub(super) async fn open_channel(connection: &Connection) -> Result<Channel, Trouble> {
    answer("cannot open a channel", connection.create_channel()).await
}

/// What is in a queue that must exist, as RabbitMQ counts it.
pub(super) async fn depth(channel: &Channel, queue: &str) -> Result<u32, Trouble> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declaring = channel.queue_declare(queue.into(), options, FieldTable::default());
    let queue = answer(format!("cannot look at the queue {queue}"), declaring).await?;
    Ok(queue.message_count())
}

/// Creates a queue when it does not exist. One that does may be of any kind, such as a quorum queue; whether
/// it was there.
pub(super) async fn ensure(connection: &Connection, queue: &str) -> Result<bool, Trouble> {
    let channel = open_channel(connection).await?;
    match depth(&channel, queue).await {
        Ok(_) => {
            // Best effort: it goes with the connection at the latest.
            answer("", channel.close(200, ShortString::default())).await.ok();
            return Ok(true);
        }
        Err(trouble) if trouble.objection == Some(AMQPSoftError::NOTFOUND) => {}
        Err(trouble) => return Err(trouble),
    }
    // The refusal has closed the channel.
    let channel = open_channel(connection).await?;
    let declaring =
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default());
    answer(format!("cannot create the queue {queue}"), declaring).await?;
    answer("", channel.close(200, ShortString::default())).await.ok();
    Ok(false)
}

/// Where what cannot be published goes.
pub(super) fn dead(queue: &str) -> String {
    format!("{queue}.dead")
}
