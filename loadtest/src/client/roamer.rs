//! One client of `campanile.v1`: it reads until it loses its connection, and comes back with its cursor.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::crowd::Shared;
use super::envelope;
use super::frame::{Event, FrameReader, close, pong};
use super::handshake::Opening;
use super::seen::{Arrival, Seen};
use super::socket::{End, dial, greet};
use crate::record::find_stamp;

/// Pause after a refusal, and after the gateway has ended a socket.
const RETRY: Duration = Duration::from_millis(500);

/// A stream behind its handshake, and the bytes that came with the answer.
pub(super) type Connection = (TcpStream, Vec<u8>);

/// One client.
pub(super) struct Roamer {
    index: usize,
    shared: Rc<Shared>,
    attempts: usize,
    /// Of the last that it has.
    cursor: String,
    seen: Seen,
    resume: Option<Resume>,
    /// What it owes the gateway.
    answers: Vec<u8>,
    closed: Option<End>,
}

/// A resume that is not complete.
struct Resume {
    /// When the first attempt to connect began, ns of the clock.
    began: u64,
    /// Notifications that are still to be replayed; `None`: not greeted yet.
    left: Option<u64>,
}

impl Roamer {
    pub(super) fn new(index: usize, shared: Rc<Shared>) -> Self {
        Self {
            index,
            shared,
            attempts: 0,
            cursor: String::new(),
            seen: Seen::default(),
            resume: None,
            answers: Vec::new(),
            closed: None,
        }
    }

    /// Tries once, at the next gateway.
    pub(super) async fn connect(&mut self) -> Result<Connection> {
        let plan = &self.shared.plan;
        let turn = (self.index + self.attempts) % plan.gateways.len();
        self.attempts += 1;
        let gateway = &plan.gateways[turn];
        let path = match self.cursor.as_str() {
            "" => plan.path.clone(),
            cursor => format!("{}?cursor={cursor}", plan.path),
        };
        let token = plan.tokens.get(self.index).context("a client without a token")?;
        let protocol = Some("campanile.v1");
        let opening = Opening { host: &gateway.host, path: &path, token, protocol };
        let mut stream = dial(self.index, gateway.address).await?;
        let rest = greet(&mut stream, &opening).await?;
        Ok((stream, rest))
    }

    /// Lives on, from the first connection to the next and the next.
    pub(super) async fn run(mut self, first: Connection) {
        let mut connection = first;
        loop {
            let end = self.listen(connection).await;
            self.shared.counters.closed();
            let pause = match end {
                None => self.shared.plan.cuts.away,
                Some(end) => {
                    let mut travels = self.shared.travels.borrow_mut();
                    *travels.ends.entry(end.reason()).or_default() += 1;
                    RETRY
                }
            };
            sleep(pause).await;
            connection = self.come_back().await;
            self.shared.counters.opened();
        }
    }

    async fn come_back(&mut self) -> Connection {
        let began = self.shared.clock.now();
        loop {
            match self.connect().await {
                Ok(connection) => {
                    self.resume = Some(Resume { began, left: None });
                    self.shared.travels.borrow_mut().reconnects += 1;
                    return connection;
                }
                Err(error) => {
                    let mut travels = self.shared.travels.borrow_mut();
                    *travels.refusals.entry(format!("{error:#}")).or_default() += 1;
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Reads until the client is told to lose its connection (`None`) or the gateway ends it. Dropping
    /// the stream resets it. A loss waits for a resume that is under way, so that every resume is
    /// measured to its end.
    async fn listen(&mut self, (mut stream, rest): Connection) -> Option<End> {
        let shared = Rc::clone(&self.shared);
        let mut reader = FrameReader::default();
        if !self.take(&mut reader, &rest) {
            return Some(End::Lost);
        }
        drop(rest);
        loop {
            if !self.answers.is_empty() {
                let bytes = std::mem::take(&mut self.answers);
                if stream.write_all(&bytes).await.is_err() {
                    return Some(End::Lost);
                }
            }
            if let Some(end) = self.closed.take() {
                return Some(end);
            }
            let (complete, cut) = (self.resume.is_none(), &shared.cuts[self.index]);
            let more = poll_fn(|context| {
                let mut buffer = shared.buffer.borrow_mut();
                let mut buffer = ReadBuf::new(&mut buffer);
                if ready!(Pin::new(&mut stream).poll_read(context, &mut buffer)).is_err() {
                    return Poll::Ready(false);
                }
                let read = buffer.filled();
                let taken = self.take(&mut reader, read);
                Poll::Ready(!read.is_empty() && taken)
            });
            tokio::select! {
                biased;
                () = cut.notified(), if complete => return None,
                more = more => if !more {
                    return Some(End::Lost);
                }
            }
        }
    }

    /// Takes the frames of a chunk; `false`: they break RFC 6455.
    fn take(&mut self, reader: &mut FrameReader, chunk: &[u8]) -> bool {
        let now = self.shared.clock.now();
        let fed = reader.feed(chunk, |event| match event {
            Event::Message(text) => self.message(text, now),
            Event::Ping(payload) => self.answers.extend(pong(payload)),
            Event::Pong => {}
            Event::Close(code) => {
                self.closed = Some(End::Code(code));
                self.answers.extend(close());
            }
        });
        fed.is_ok()
    }

    fn message(&mut self, text: &[u8], now: u64) {
        let shared = Rc::clone(&self.shared);
        let mut travels = shared.travels.borrow_mut();
        let Some(frame) = envelope::read(text) else {
            travels.foreign += 1;
            return;
        };
        if let Some(cursor) = frame.data.cursor {
            self.cursor.clear();
            self.cursor.push_str(cursor);
        }
        match frame.kind {
            "connected" => {
                travels.gaps += u64::from(frame.data.recovered == Some(false));
                if let Some(resume) = &mut self.resume {
                    let replayed = frame.data.replayed.unwrap_or_default();
                    travels.replayed += replayed;
                    resume.left = Some(replayed);
                }
            }
            "notification" => {
                let (clients, run) = (shared.plan.tokens.len() as u64, shared.plan.run);
                let stamp = frame.data.id.and_then(|id| find_stamp(id.as_bytes(), run));
                match stamp {
                    Some((number, _)) if number % clients == self.index as u64 => {
                        match self.seen.take(number / clients) {
                            Arrival::New => travels.received += 1,
                            Arrival::Late => {
                                travels.received += 1;
                                travels.late += 1;
                            }
                            Arrival::Double => travels.doubles += 1,
                        }
                    }
                    _ => travels.foreign += 1,
                }
                if let Some(Resume { left: Some(left), .. }) = &mut self.resume {
                    *left = left.saturating_sub(1);
                }
                shared.counters.set_received(travels.received);
            }
            _ => {}
        }
        if let Some(Resume { began, left: Some(0) }) = self.resume {
            travels.replays.saturating_record(now.saturating_sub(began));
            self.resume = None;
        }
    }
}
