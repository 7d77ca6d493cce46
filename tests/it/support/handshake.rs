//! Opening a WebSocket by hand, so that a refusal can be read to its last byte.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::client::Client;
use super::gateway::Gateway;
use super::http::{self, Head, Response};
use super::raw::RawClient;
use super::token;
use super::wait::{PATIENCE, within};

/// The gateway's answer when it is not `101 Switching Protocols`.
pub(crate) type Refused = Response;

/// Where the token of a handshake goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenIn {
    /// `Authorization: Bearer`.
    Header,
    /// `?token=`.
    Query,
    /// The subprotocol `bearer.<jwt>`, after those offered with [`Connect::protocol`].
    Protocol,
    /// The cookie of this name.
    Cookie(String),
    /// `{"type":"auth","token":"…"}` right after the upgrade.
    FirstFrame,
    Nowhere,
}

/// A handshake to be; awaiting it gives a [`Client`], [`Connect::raw`] a [`RawClient`].
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    address: SocketAddr,
    path: String,
    token: Option<String>,
    token_in: TokenIn,
    headers: Vec<(String, String)>,
    protocols: Vec<String>,
    receive_buffer_bytes: Option<u32>,
}

/// An upgraded connection.
pub(crate) struct Upgraded {
    pub(crate) stream: TcpStream,
    pub(crate) head: Head,
}

impl Connect {
    pub(crate) fn to(gateway: &Gateway, path: &str) -> Self {
        Self::to_address(gateway.addr(), path)
    }

    pub(crate) fn to_address(address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            path: path.into(),
            token: None,
            token_in: TokenIn::Header,
            headers: Vec::new(),
            protocols: Vec::new(),
            receive_buffer_bytes: None,
        }
    }

    /// Signs in with a good token of this user.
    pub(crate) fn user(self, user: &str) -> Self {
        self.token(token::for_user(user))
    }

    pub(crate) fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// [`TokenIn::Header`] unless said.
    pub(crate) fn token_in(mut self, place: TokenIn) -> Self {
        self.token_in = place;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Offers one more subprotocol.
    pub(crate) fn protocol(mut self, protocol: &str) -> Self {
        self.protocols.push(protocol.into());
        self
    }

    /// A small one makes the gateway feel a client that stopped reading after a few kilobytes.
    pub(crate) fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// The same handshake, for bytes that no WebSocket library would send.
    pub(crate) async fn raw(self) -> Result<RawClient, Refused> {
        Ok(RawClient::new(self.upgrade().await?))
    }

    pub(super) async fn upgrade(self) -> Result<Upgraded, Refused> {
        let what = format!("the handshake on {} is answered", self.path);
        let upgraded = within(&what, PATIENCE, self.try_upgrade()).await;
        upgraded.expect("the gateway answers the handshake")
    }

    /// An open socket, if the gateway is there and lets us in; an error in all other cases.
    pub(crate) async fn attempt(self) -> io::Result<Client> {
        self.answer().await?.map_err(|refused| io::Error::other(refused.text()))
    }

    /// The same, with a refusal as it came.
    pub(crate) async fn answer(self) -> io::Result<Result<Client, Refused>> {
        match timeout(PATIENCE, self.try_upgrade()).await?? {
            Ok(upgraded) => Ok(Ok(Client::new(upgraded).await)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    async fn try_upgrade(self) -> io::Result<Result<Upgraded, Refused>> {
        let mut stream = self.connect().await?;
        let (request, accept) = self.request();
        stream.write_all(request.as_bytes()).await?;
        let head = Head::read(&mut stream).await?;
        if head.status != 101 {
            return Ok(Err(head.read_body(&mut stream).await?));
        }
        assert_eq!(head.header("sec-websocket-accept"), Some(accept.as_str()));
        Ok(Ok(Upgraded { stream, head }))
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// The bytes of the request (RFC 6455, 4.1) and the accept key they ask for.
    fn request(&self) -> (String, String) {
        let key = STANDARD.encode(fastrand::u128(..).to_be_bytes());
        let mut path = self.path.clone();
        let mut headers = vec![
            ("Connection".to_owned(), "Upgrade".to_owned()),
            ("Upgrade".to_owned(), "websocket".to_owned()),
            ("Sec-WebSocket-Version".to_owned(), "13".to_owned()),
            ("Sec-WebSocket-Key".to_owned(), key.clone()),
        ];
        let mut protocols = self.protocols.clone();
        if let Some(token) = &self.token {
            match &self.token_in {
                TokenIn::Header => {
                    headers.push(("Authorization".into(), format!("Bearer {token}")));
                }
                TokenIn::Query => {
                    let separator = if path.contains('?') { '&' } else { '?' };
                    path = format!("{path}{separator}token={token}");
                }
                TokenIn::Protocol => protocols.push(format!("bearer.{token}")),
                TokenIn::Cookie(name) => headers.push(("Cookie".into(), format!("{name}={token}"))),
                TokenIn::FirstFrame | TokenIn::Nowhere => {}
            }
        }
        if !protocols.is_empty() {
            headers.push(("Sec-WebSocket-Protocol".into(), protocols.join(", ")));
        }
        headers.retain(|(name, _)| !self.headers.iter().any(|(ours, _)| ours == name));
        headers.extend(self.headers.iter().cloned());
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let request = http::head(self.address, "GET", &path, &headers) + "\r\n";
        (request, derive_accept_key(key.as_bytes()))
    }
}

impl IntoFuture for Connect {
    type Output = Result<Client, Refused>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let first = match (&self.token_in, &self.token) {
                (TokenIn::FirstFrame, Some(token)) => Some(token.clone()),
                _ => None,
            };
            let mut client = Client::new(self.upgrade().await?).await;
            if let Some(token) = first {
                client.send_json(&serde_json::json!({ "type": "auth", "token": token })).await;
            }
            Ok(client)
        })
    }
}
