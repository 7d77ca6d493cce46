//! Engine.IO by hand: polls, posts and WebSockets that do exactly what a test says.

use serde_json::{Value, json};

use super::client::Client;
use super::gateway::Gateway;
use super::handshake::Connect;
use super::http::Response;
use super::token;

const PATH: &str = "/socket.io/?EIO=4&transport=";

/// A connection that polls.
pub(crate) struct Polling<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) sid: String,
    pub(crate) opening: Value,
}

impl<'a> Polling<'a> {
    /// The first request, as it is.
    pub(crate) async fn open_with(gateway: &Gateway, headers: &[(&str, &str)]) -> Response {
        gateway.http("GET", &format!("{PATH}polling&t=abc"), headers, b"").await
    }

    pub(crate) async fn open(gateway: &'a Gateway) -> Self {
        Self::opened(gateway, &Self::open_with(gateway, &[]).await)
    }

    pub(crate) fn opened(gateway: &'a Gateway, response: &Response) -> Self {
        assert_eq!(response.status, 200, "{}", response.text());
        let opening = response.text().strip_prefix('0').expect("the first packet");
        let opening: Value = serde_json::from_str(opening).unwrap();
        let sid = opening["sid"].as_str().unwrap().to_owned();
        Self { gateway, sid, opening }
    }

    /// A connection on which `user` has subscribed in `/ws`.
    pub(crate) async fn subscribed(gateway: &'a Gateway, user: &str) -> Self {
        let polling = Self::open(gateway).await;
        polling.send(&connect("/ws", &token::for_user(user))).await;
        assert!(polling.receive().await.starts_with(r#"40/ws,{"sid":""#));
        polling.send(SUBSCRIBE).await;
        assert_eq!(polling.receive().await, SUBSCRIBED);
        polling
    }

    pub(crate) fn path(&self, transport: &str) -> String {
        format!("{PATH}{transport}&sid={}", self.sid)
    }

    pub(crate) async fn get(&self) -> Response {
        self.gateway.http("GET", &self.path("polling"), &[], b"").await
    }

    pub(crate) async fn post(&self, body: &str) -> Response {
        let text = ("Content-Type", "text/plain;charset=UTF-8");
        self.gateway.http("POST", &self.path("polling"), &[text], body.as_bytes()).await
    }

    pub(crate) async fn send(&self, body: &str) {
        let response = self.post(body).await;
        assert_eq!((response.status, response.text()), (200, "ok"), "{body}");
    }

    /// What the next poll brings besides pings, which are answered: the first one may come at any time.
    pub(crate) async fn receive(&self) -> String {
        loop {
            let payload = self.receive_any().await;
            let (pings, said): (Vec<_>, Vec<_>) =
                payload.split('\u{1e}').partition(|packet| *packet == "2");
            if !pings.is_empty() {
                self.send("3").await;
            }
            if !said.is_empty() {
                return said.join("\u{1e}");
            }
        }
    }

    /// What the next poll brings.
    pub(crate) async fn receive_any(&self) -> String {
        let response = self.get().await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        response.text().to_owned()
    }

    /// The connection has ended, without a word that would keep its client away.
    pub(crate) async fn is_told_to_come_back(&self) {
        let mut response = self.get().await;
        // Just ended, if the poll came late.
        while response.status == 200 {
            assert!(["6", "2"].contains(&response.text()), "{}", response.text());
            response = self.get().await;
        }
        assert_eq!((response.status, &response.json()["code"]), (400, &json!(1)));
    }

    /// A WebSocket for this connection.
    pub(crate) fn websocket(&self) -> Connect {
        Client::connect(self.gateway, &self.path("websocket"))
    }
}

pub(crate) const SUBSCRIBE: &str = r#"42/ws,0["SUBSCRIBE_NOTIFICATIONS"]"#;
pub(crate) const SUBSCRIBED: &str = r#"43/ws,0[{"ok":true}]"#;

/// The packet that opens a namespace.
pub(crate) fn connect(namespace: &str, token: &str) -> String {
    format!(r#"40{namespace},{{"token":"{token}"}}"#)
}

/// A handshake for a connection on a WebSocket from the start.
pub(crate) fn websocket(gateway: &Gateway) -> Connect {
    Client::connect(gateway, &format!("{PATH}websocket"))
}

/// The next text besides pings, which are answered: the first one may come at any time.
pub(crate) async fn next(client: &mut Client) -> String {
    loop {
        let text = client.next_text().await;
        if text != "2" {
            return text;
        }
        client.send_text("3").await;
    }
}

/// The same, open and past its first packet.
pub(crate) async fn opened(gateway: &Gateway) -> Client {
    let mut client = websocket(gateway).await.unwrap_or_else(|refused| {
        panic!("refused with {}: {}", refused.status, refused.text());
    });
    let opening = client.next_text().await;
    assert!(opening.starts_with("0{") && opening.contains(r#""upgrades":[]"#), "{opening}");
    client
}

/// The same, and connected to `/ws` with this token.
pub(crate) async fn connected(gateway: &Gateway, token: &str) -> Client {
    let mut client = opened(gateway).await;
    client.send_text(&connect("/ws", token)).await;
    let connected = next(&mut client).await;
    assert!(connected.starts_with(r#"40/ws,{"sid":""#), "{connected}");
    client
}

/// The same, and subscribed.
pub(crate) async fn subscribed(gateway: &Gateway, user: &str) -> Client {
    let mut client = connected(gateway, &token::for_user(user)).await;
    client.send_text(SUBSCRIBE).await;
    assert_eq!(next(&mut client).await, SUBSCRIBED);
    client
}

/// The name and the first argument of an event in `/ws`.
pub(crate) fn event(packet: &str) -> (String, Value) {
    let array = packet.strip_prefix("42/ws,").unwrap_or_else(|| panic!("no event: {packet}"));
    let array: Vec<Value> = serde_json::from_str(array).unwrap();
    (array[0].as_str().unwrap().to_owned(), array.get(1).cloned().unwrap_or_default())
}
