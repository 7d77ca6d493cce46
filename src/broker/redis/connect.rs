//! Opening connections to Redis: where to, with which certificates, as whom.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_util::either::Either;

use crate::config;

/// How long a connection may take to be made.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the kernel waits for an acknowledgement before it gives a connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where Redis is, and how to be let in.
#[derive(Clone)]
pub(super) struct Endpoint {
    info: ConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
}

pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// The configuration names no usable Redis. Safe to show.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadEndpoint(String);

impl BadEndpoint {
    pub(super) fn new(why: &dyn std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl Endpoint {
    pub(super) fn new(config: &config::Redis) -> Result<Self, BadEndpoint> {
        let bad = |what: &str, why: String| BadEndpoint(format!("{what}: {why}"));
        let url = config.url.as_ref().map_or("redis://127.0.0.1", |url| url.expose());
        let info = url
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
                let tls = tls_config(root_cert.as_deref(), client_tls.as_ref())
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
    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// `host:port`, for people.
    pub(super) fn address(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!("{host}:{port}")
            }
            other => other.to_string(),
        }
    }

    /// User name and password, if the URL has them.
    pub(super) fn credentials(&self) -> (Option<&str>, Option<&str>) {
        let settings = self.info.redis_settings();
        (settings.username(), settings.password())
    }

    /// A bare connection; whoever calls sets the deadline.
    pub(super) async fn connect(&self) -> std::io::Result<Stream> {
        let (host, port) = match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                (host.as_str(), *port)
            }
            other => {
                let text = format!("{other} is no TCP address");
                return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, text));
            }
        };
        let tcp = TcpStream::connect((host, port)).await?;
        let socket = socket2::SockRef::from(&tcp);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_keepalive(true)?;
        let Some(tls) = &self.tls else { return Ok(Either::Left(tcp)) };
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        Ok(Either::Right(TlsConnector::from(tls.clone()).connect(name, tcp).await?))
    }
}

fn tls_config(
    root_cert: Option<&[u8]>,
    client: Option<&ClientTlsConfig>,
) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match root_cert {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| format!("CA file: {error}"))?;
                roots.add(certificate).map_err(|error| format!("CA file: {error}"))?;
            }
            if roots.is_empty() {
                return Err("the CA file holds no certificate".into());
            }
        }
    }
    let config =
        ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
    let Some(client) = client else { return Ok(config.with_no_client_auth()) };
    let chain = CertificateDer::pem_slice_iter(&client.client_cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("client certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&client.client_key)
        .map_err(|error| format!("client key: {error}"))?;
    config.with_client_auth_cert(chain, key).map_err(|error| format!("client certificate: {error}"))
}
