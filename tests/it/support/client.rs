//! One WebSocket client that asserts as it reads.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::gateway::Gateway;
use super::handshake::{Connect, Upgraded};
use super::wait::PATIENCE;

/// An open socket. Pings are answered while it is being read, as a browser does.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    headers: Vec<(String, String)>,
    pings: usize,
}

impl Client {
    /// A handshake on any path; await it, with `.user(..)` and the like before.
    pub(crate) fn connect(gateway: &Gateway, path: &str) -> Connect {
        Connect::to(gateway, path)
    }

    /// An open socket of `user` on `/ws/notifications`, as the messaging app's clients open it.
    pub(crate) async fn user(gateway: &Gateway, user: &str) -> Self {
        Self::opened(Self::connect(gateway, "/ws/notifications").user(user)).await
    }

    /// An open socket of `user` on `/api/ws`, as `TradePulse`'s clients open it.
    pub(crate) async fn bare(gateway: &Gateway, user: &str) -> Self {
        Self::opened(Self::connect(gateway, "/api/ws").user(user)).await
    }

    /// An open socket of `user` that speaks `campanile.v1`, and its `connected` frame; `query`
    /// is empty or such as `?cursor=unread`.
    pub(crate) async fn v1(gateway: &Gateway, user: &str, query: &str) -> (Self, Value) {
        let path = format!("/ws/notifications{query}");
        let handshake = Self::connect(gateway, &path).user(user).protocol("campanile.v1");
        let mut client = Self::opened(handshake).await;
        let connected = client.next_json().await;
        assert_eq!(connected["type"], "connected", "{connected}");
        (client, connected)
    }

    async fn opened(handshake: Connect) -> Self {
        match handshake.await {
            Ok(client) => client,
            Err(refused) => panic!("refused with {}: {}", refused.status, refused.text()),
        }
    }

    pub(super) async fn new(upgraded: Upgraded) -> Self {
        // The default of 128 KiB per socket is for one client, not for thousands.
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let Upgraded { stream, head } = upgraded;
        let socket =
            WebSocketStream::from_partially_read(stream, head.rest, Role::Client, Some(config))
                .await;
        Self { socket, headers: head.headers, pings: 0 }
    }

    /// The subprotocol the gateway chose.
    pub(crate) fn protocol(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))
            .map(|(_, value)| value.as_str())
    }

    /// How many pings were read so far.
    pub(crate) fn pings(&self) -> usize {
        self.pings
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.expect("sends a frame");
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub(crate) async fn send_json(&mut self, value: &Value) {
        self.send_text(&value.to_string()).await;
    }

    /// Sends a close frame with 1000 and reads on to the end.
    pub(crate) async fn close(mut self) {
        self.socket.close(None).await.expect("sends a close frame");
        let drained =
            timeout(PATIENCE, async { while let Some(Ok(_)) = self.socket.next().await {} });
        drained.await.expect("the gateway answers the close");
    }

    /// The next frame of any kind; `None` when the stream ended or broke without one.
    pub(crate) async fn next_message(&mut self) -> Option<Message> {
        let next = timeout(PATIENCE, self.read()).await;
        next.unwrap_or_else(|_| panic!("no frame within {PATIENCE:?}"))
    }

    /// The next text frame, past pings; panics when the socket closes instead.
    pub(crate) async fn next_text(&mut self) -> String {
        self.next_text_within(PATIENCE).await
    }

    pub(crate) async fn next_text_within(&mut self, within: Duration) -> String {
        let deadline = Instant::now() + within;
        loop {
            match timeout_at(deadline, self.read()).await {
                Ok(Some(Message::Text(text))) => return text.as_str().to_owned(),
                Ok(Some(Message::Ping(_) | Message::Pong(_))) => {}
                Ok(other) => panic!("not a text frame: {other:?}"),
                Err(late) => panic!("no text frame within {within:?}: {late}"),
            }
        }
    }

    /// The next text frame as JSON.
    pub(crate) async fn next_json(&mut self) -> Value {
        self.next_json_within(PATIENCE).await
    }

    pub(crate) async fn next_json_within(&mut self, within: Duration) -> Value {
        let text = self.next_text_within(within).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in frame {text}"))
    }

    /// The next frame whose `type` is this, past all others.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {kind:?} within {PATIENCE:?}, but {passed:?}");
            let frame = self.next_json_within(left).await;
            if frame["type"] == kind {
                return frame;
            }
            passed.push(frame);
        }
    }

    /// Reads on to the next ping.
    pub(crate) async fn next_ping(&mut self, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            match timeout_at(deadline, self.read()).await {
                Ok(Some(Message::Ping(_))) => return,
                Ok(Some(Message::Close(_)) | None) => panic!("closed before a ping"),
                Ok(Some(_)) => {}
                Err(late) => panic!("no ping within {within:?}: {late}"),
            }
        }
    }

    /// Code and reason of the close frame, past all other frames. 1005 stands for a close frame
    /// without a code and 1006 for an end without a close frame (RFC 6455, 7.4.1).
    pub(crate) async fn next_close(&mut self) -> (u16, String) {
        self.next_close_within(PATIENCE).await
    }

    pub(crate) async fn next_close_within(&mut self, within: Duration) -> (u16, String) {
        let deadline = Instant::now() + within;
        loop {
            match timeout_at(deadline, self.read()).await {
                Ok(Some(Message::Close(frame))) => return code_and_reason(frame),
                Ok(None) => return (1006, String::new()),
                Ok(Some(_)) => {}
                Err(late) => panic!("no close within {within:?}: {late}"),
            }
        }
    }

    /// Panics when a text, binary or close frame arrives in this time. To prove that something
    /// is *not* sent, prefer to publish a marker after it and assert that the marker is next.
    pub(crate) async fn expect_silence(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while let Ok(message) = timeout_at(deadline, self.read()).await {
            let quiet = matches!(message, Some(Message::Ping(_) | Message::Pong(_)));
            assert!(quiet, "silence was expected, not {message:?}");
        }
    }

    /// The next frame, whenever it comes; `None` as in [`Client::next_message`].
    pub(crate) async fn read(&mut self) -> Option<Message> {
        match self.socket.next().await {
            Some(Ok(message)) => {
                self.pings += usize::from(message.is_ping());
                Some(message)
            }
            None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_))) => None,
            Some(Err(Error::Protocol(error))) if error.to_string().contains("without closing") => {
                None
            }
            Some(Err(error)) => panic!("the gateway broke RFC 6455: {error}"),
        }
    }
}

pub(crate) fn code_and_reason(frame: Option<CloseFrame>) -> (u16, String) {
    match frame {
        Some(frame) => (frame.code.into(), frame.reason.as_str().to_owned()),
        None => (1005, String::new()),
    }
}
