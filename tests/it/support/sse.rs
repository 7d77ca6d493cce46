//! A client of server-sent events on a bare TCP connection: chunks, lines, events, and nothing more.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::gateway::Gateway;
use super::handshake::Refused;
use super::http::{self, Head};
use super::token;
use super::wait::{PATIENCE, within};

pub(crate) const PATH: &str = "/api/notifications/stream";

/// A request for a stream; awaiting it gives a [`Stream`].
#[derive(Clone, Debug)]
pub(crate) struct Open {
    address: std::net::SocketAddr,
    query: String,
    headers: Vec<(String, String)>,
    receive_buffer_bytes: Option<u32>,
}

impl Open {
    pub(crate) fn at(gateway: &Gateway) -> Self {
        Self {
            address: gateway.addr(),
            query: String::new(),
            headers: Vec::new(),
            receive_buffer_bytes: None,
        }
    }

    /// Signs in with a good token of this user.
    pub(crate) fn user(self, user: &str) -> Self {
        let bearer = format!("Bearer {}", token::for_user(user));
        self.header("Authorization", &bearer)
    }

    /// Such as `?cursor=unread`.
    pub(crate) fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A small one makes the gateway feel a client that stopped reading after a few kilobytes.
    pub(crate) fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    async fn open(self) -> Result<Stream, Refused> {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes).expect("a smaller buffer");
        }
        let headers: Vec<_> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let path = format!("{PATH}{}", self.query);
        let request = http::head(self.address, "GET", &path, &headers) + "\r\n";
        within("the stream is answered", PATIENCE, async {
            let mut socket = socket.connect(self.address).await.expect("the gateway accepts");
            socket.write_all(request.as_bytes()).await.expect("sends the request");
            let head = Head::read(&mut socket).await.expect("reads the answer");
            if head.status != 200 {
                return Err(head.read_body(&mut socket).await.expect("reads the refusal"));
            }
            Ok(Stream::new(socket, head))
        })
        .await
    }
}

impl IntoFuture for Open {
    type Output = Result<Stream, Refused>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// One event, dispatched by its empty line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Of this event, not the last one seen.
    pub(crate) id: Option<String>,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// An open stream, as a browser's `EventSource` keeps it.
pub(crate) struct Stream {
    socket: TcpStream,
    head: Head,
    /// Bytes of a chunk that is not complete.
    raw: Vec<u8>,
    /// The last chunk was read.
    whole: bool,
    /// The connection has ended.
    over: bool,
    /// Lines of an event that is not complete.
    text: String,
    event: Event,
    events: VecDeque<Event>,
    last_id: Option<String>,
    retry: Option<u64>,
    comments: usize,
}

fn nothing() -> Event {
    Event { id: None, kind: String::new(), data: Value::Null }
}

impl Stream {
    /// An open stream of `user` and its `connected` event.
    pub(crate) async fn user(gateway: &Gateway, user: &str) -> (Self, Event) {
        Self::greeted(Open::at(gateway).user(user)).await
    }

    /// The same, of any request that is let in.
    pub(crate) async fn greeted(open: Open) -> (Self, Event) {
        let mut stream = match open.await {
            Ok(stream) => stream,
            Err(refused) => panic!("refused with {}: {}", refused.status, refused.text()),
        };
        let connected = stream.next().await;
        assert_eq!(connected.kind, "connected", "{connected:?}");
        (stream, connected)
    }

    fn new(socket: TcpStream, mut head: Head) -> Self {
        let raw = std::mem::take(&mut head.rest);
        let mut stream = Self {
            socket,
            head,
            raw,
            whole: false,
            over: false,
            text: String::new(),
            event: nothing(),
            events: VecDeque::new(),
            last_id: None,
            retry: None,
            comments: 0,
        };
        stream.digest();
        stream
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// What a browser would send as `Last-Event-ID`.
    pub(crate) fn last_id(&self) -> &str {
        self.last_id.as_deref().unwrap_or_default()
    }

    /// The delay before a reconnect that was advised last, in milliseconds.
    pub(crate) fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// How many comments were read so far.
    pub(crate) fn comments(&self) -> usize {
        self.comments
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within("the gateway takes the bytes", PATIENCE, self.socket.write_all(bytes)).await
    }

    /// The next event of any kind; panics when the stream ends instead.
    pub(crate) async fn next(&mut self) -> Event {
        within("an event arrives", PATIENCE, async {
            loop {
                if let Some(event) = self.events.pop_front() {
                    return event;
                }
                assert!(self.read_some().await, "the stream ended, whole: {}", self.whole);
            }
        })
        .await
    }

    /// The next event of this kind, past all others.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await;
            if event.kind == kind {
                return event;
            }
        }
    }

    /// The `id` fields of the next notifications, past other events.
    pub(crate) async fn next_ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let event = self.next_of("notification").await;
            ids.push(event.data["notification_id"].as_str().unwrap().to_owned());
        }
        ids
    }

    /// Reads on to the next comment.
    pub(crate) async fn next_comment(&mut self, patience: Duration) {
        let before = self.comments;
        within("a comment arrives", patience, async {
            while self.comments == before {
                assert!(self.read_some().await, "the stream ended before a comment");
            }
        })
        .await;
    }

    /// Reads to the end: what came before it, and whether the body ended with its last chunk.
    pub(crate) async fn end(&mut self) -> (Vec<Event>, bool) {
        within("the stream ends", PATIENCE, async { while self.read_some().await {} }).await;
        (self.events.drain(..).collect(), self.whole)
    }

    /// Whether the gateway closed or reset the connection within this time; what comes is dropped.
    pub(crate) async fn is_closed_within(&mut self, patience: Duration) -> bool {
        let mut buffer = [0; 4096];
        let read = async { while matches!(self.socket.read(&mut buffer).await, Ok(1..)) {} };
        timeout(patience, read).await.is_ok()
    }

    async fn read_some(&mut self) -> bool {
        if self.whole || self.over {
            return false;
        }
        if !matches!(self.socket.read_buf(&mut self.raw).await, Ok(1..)) {
            self.over = true;
            return false;
        }
        self.digest();
        true
    }

    fn digest(&mut self) {
        while let Some(chunk) = self.chunk() {
            if chunk.is_empty() {
                self.whole = true;
                return;
            }
            self.text += std::str::from_utf8(&chunk).expect("the stream is UTF-8");
            while let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.text = rest;
                self.line(&line);
            }
        }
    }

    /// One whole chunk (RFC 9112, 7.1); the last one is empty.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.raw.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&self.raw[..line]).expect("a chunk's size is text");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size is hexadecimal");
        let chunk = self.raw.get(line + 2..line + 2 + size)?.to_vec();
        let end = self.raw.get(line + 2 + size..line + 4 + size)?;
        assert_eq!(end, b"\r\n", "what ends a chunk");
        self.raw.drain(..line + 4 + size);
        Some(chunk)
    }

    fn line(&mut self, line: &str) {
        assert!(!line.contains('\r'), "a bare carriage return would end the line: {line:?}");
        if line.is_empty() {
            let event = std::mem::replace(&mut self.event, nothing());
            // Without data an event is not dispatched.
            if event.data != Value::Null {
                self.events.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(": ").expect("a field and its value");
        match field {
            "" => self.comments += 1,
            "id" => {
                self.event.id = Some(value.to_owned());
                self.last_id = Some(value.to_owned());
            }
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                assert_eq!(self.event.data, Value::Null, "a second line of data");
                self.event.data = serde_json::from_str(value).expect("the data is JSON");
            }
            "retry" => self.retry = Some(value.parse().expect("milliseconds")),
            _ => panic!("an unknown field in {line:?}"),
        }
    }
}
