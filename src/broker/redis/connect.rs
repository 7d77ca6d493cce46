//! Opening connections to Redis: with which certificates, as whom. Where to is [`Topology`]'s to know.
//!
//! [`Topology`]: super::topology::Topology

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, RedisResult, TlsCertificates,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::either::Either;

use super::tls;
use crate::config;

/// How long a connection may take to be made.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the kernel waits for an acknowledgement before it gives a connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Host and port of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How to be let in by servers of one kind, wherever they are.
#[derive(Clone)]
pub(super) struct Door {
    info: ConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
}

pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// The configuration names no usable Redis. Safe to show.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadEndpoint(String);

impl BadEndpoint {
    pub(super) fn new(why: &dyn fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl Door {
    /// For servers that are let in as `url` says; its host and port do not matter.
    pub(super) fn new(url: &config::Secret, config: &config::Redis) -> Result<Self, BadEndpoint> {
        let bad = |what: &str, why: String| BadEndpoint(format!("{what}: {why}"));
        let info = url
            .expose()
            .into_connection_info()
            // The library's text may quote the URL, and the URL may hold a password.
            .map_err(|_| BadEndpoint("CAMPANILE_REDIS_URL is not a Redis URL".into()))?;
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| bad(&path.display().to_string(), error.to_string()))
        };
        let root_cert = config.ca_file.as_deref().map(read).transpose()?;
        let client_tls = match (&config.cert_file, &config.key_file) {
            (Some(cert), Some(key)) => {
                Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? })
            }
            _ => None,
        };
        let (info, tls) = match info.addr() {
            ConnectionAddr::TcpTls { .. } => {
                let tls = tls::client_config(root_cert.as_deref(), client_tls.as_ref())
                    .map_err(|why| bad("TLS to Redis", why))?;
                let client =
                    Client::build_with_tls(info, TlsCertificates { client_tls, root_cert })
                        .map_err(|error| bad("TLS to Redis", error.to_string()))?;
                (client.get_connection_info().clone(), Some(Arc::new(tls)))
            }
            _ => (info, None),
        };
        let settings = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(socket2::TcpKeepalive::new().with_time(USER_TIMEOUT))
            .set_user_timeout(USER_TIMEOUT);
        Ok(Self { info: info.set_tcp_settings(settings), tls })
    }

    /// For the library's own connections.
    pub(super) fn info(&self, node: &Node) -> ConnectionInfo {
        let (host, port) = (node.host.clone(), node.port);
        let addr = match self.info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.info.clone().set_addr(addr)
    }

    /// User name and password, if there are any.
    pub(super) fn credentials(&self) -> (Option<&str>, Option<&str>) {
        let settings = self.info.redis_settings();
        (settings.username(), settings.password())
    }

    /// A connection of the library for a question or two, each answered within `patience` or not at all.
    pub(super) async fn ask(
        &self,
        node: &Node,
        patience: Duration,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience));
        Client::open(self.info(node))?.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A bare connection; whoever calls sets the deadline.
    pub(super) async fn connect(&self, node: &Node) -> std::io::Result<Stream> {
        let tcp = TcpStream::connect((node.host.as_str(), node.port)).await?;
        let socket = socket2::SockRef::from(&tcp);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_keepalive(true)?;
        let Some(tls) = &self.tls else { return Ok(Either::Left(tcp)) };
        let name = ServerName::try_from(node.host.clone()).map_err(std::io::Error::other)?;
        Ok(Either::Right(TlsConnector::from(tls.clone()).connect(name, tcp).await?))
    }
}
