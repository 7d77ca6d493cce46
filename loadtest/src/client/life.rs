//! One client: connects, listens, and comes back when it is meant to.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::cuts::fraction;
use super::dial::{PATIENCE, dial};
use super::dialect::{Said, Who, hear, opening};
use super::frame::{Event, FrameReader, close, pong};
use super::handshake::{Opening, Refused, upgrade};
use super::shared::{End, Shared};

/// A stream behind its handshake.
type Connection = TcpStream;

/// One client.
pub(crate) struct Client {
    /// Among the clients of this worker.
    place: usize,
    /// Among all.
    index: usize,
    shared: Rc<Shared>,
    attempts: usize,
    /// Of the last that it has.
    cursor: String,
    reader: FrameReader,
    subscribed: bool,
    resume: Option<Resume>,
    /// What it owes the server.
    answers: Vec<u8>,
    closed: Option<End>,
    /// When the server advised to come back.
    advised: Option<Duration>,
}

/// A return that is not complete.
struct Resume {
    /// When the first attempt to connect began, ns of the clock.
    began: u64,
    /// Notifications that are still to be replayed; `None`: not greeted yet.
    left: Option<u64>,
}

impl Client {
    pub(crate) fn new(place: usize, shared: Rc<Shared>) -> Self {
        let index = shared.plan.index(place);
        Self {
            place,
            index,
            shared,
            attempts: 0,
            cursor: String::new(),
            reader: FrameReader::default(),
            subscribed: false,
            resume: None,
            answers: Vec::new(),
            closed: None,
            advised: None,
        }
    }

    /// Connects for the first time. With a plan to come back, refusals are retried for as long as it
    /// takes; else the first one is the end.
    pub(crate) async fn open(&mut self) -> Result<TcpStream> {
        let began = self.shared.clock.now();
        let connection = match self.shared.plan.come_back {
            Some(_) => self.insist().await,
            None => self.connect().await?,
        };
        let took = self.shared.clock.now() - began;
        self.shared.recorder.borrow_mut().tally.travels.opening.record(took);
        self.shared.count(1);
        Ok(connection)
    }

    /// Tries once, at the next server.
    async fn connect(&mut self) -> Result<Connection> {
        let shared = Rc::clone(&self.shared);
        let plan = &shared.plan;
        let server = &plan.servers[(self.index + self.attempts) % plan.servers.len()];
        self.attempts += 1;
        self.reader = FrameReader::default();
        (self.closed, self.advised) = (None, None);
        if let Some(resume) = &mut self.resume {
            resume.left = None;
        }
        self.answers.clear();
        self.subscribed = !plan.dialect.asks();
        let mut stream = dial(self.index, server.address, plan.receive_buffer).await?;
        let Some(token) = shared.tokens.get(self.place) else { return Ok(stream) };
        let greet = async {
            let path = plan.path(token, &self.cursor);
            let protocol = plan.dialect.protocol();
            // A path that carries the token is for servers that look for it there.
            let token = (!plan.path.contains("{token}")).then_some(token.as_str());
            let opening = Opening { host: &server.host, path: &path, token, protocol };
            let rest = upgrade(&mut stream, &opening).await?;
            self.subscribe(&mut stream, &rest).await
        };
        match timeout(PATIENCE, greet).await {
            Ok(greeted) => greeted.map(|()| stream),
            Err(_) => bail!("no answer to the handshake within {PATIENCE:?}"),
        }
    }

    /// Takes what came behind the handshake, and speaks until notifications flow.
    async fn subscribe(&mut self, stream: &mut TcpStream, rest: &[u8]) -> Result<()> {
        let channel = self.channel();
        let token = self.shared.tokens.get(self.place).map_or("", String::as_str);
        let first = opening(self.shared.plan.dialect, Who { token, channel: &channel });
        self.answers.extend(first);
        self.take(rest)?;
        while !self.subscribed {
            self.answer(stream).await?;
            ensure!(self.closed.is_none(), "the server closed the connection while subscribing");
            ensure!(self.read(stream).await?, "the server ended the connection while subscribing");
        }
        Ok(())
    }

    fn channel(&self) -> String {
        self.shared.plan.channel_of(self.index)
    }

    /// Lives on, from the first connection to the next and the next.
    pub(crate) async fn run(mut self, first: TcpStream) {
        let mut connection = first;
        loop {
            let end = self.listen(connection).await;
            self.shared.count(-1);
            let away = match (end, self.shared.plan.come_back) {
                (End::Cut(away), _) => away,
                (end, plan) => {
                    let mut recorder = self.shared.recorder.borrow_mut();
                    *recorder.tally.travels.ends.entry(end.reason()).or_default() += 1;
                    let Some(plan) = plan else { return };
                    self.advised.take().unwrap_or(plan.away)
                }
            };
            sleep(away).await;
            // A connection that was lost before its return was complete goes on with the same one.
            let began = self.resume.take().map_or(self.shared.clock.now(), |resume| resume.began);
            self.resume = Some(Resume { began, left: None });
            connection = self.insist().await;
            self.shared.recorder.borrow_mut().tally.travels.reconnects += 1;
            if let Some(resume) = &mut self.resume
                && !self.shared.plan.dialect.resumes()
            {
                resume.left = Some(0);
            }
            self.returned();
            self.shared.count(1);
        }
    }

    /// Tries until it is connected.
    async fn insist(&mut self) -> Connection {
        loop {
            let error = match self.connect().await {
                Ok(connection) => return connection,
                Err(error) => error,
            };
            let asked = error.downcast_ref::<Refused>().and_then(|refused| refused.retry_after);
            let refusals = format!("{error:#}");
            {
                let mut recorder = self.shared.recorder.borrow_mut();
                *recorder.tally.travels.refusals.entry(refusals).or_default() += 1;
            }
            let pause = match asked {
                Some(seconds) => Duration::from_secs(seconds.into()),
                None => self.shared.plan.come_back.map_or(PATIENCE, |plan| plan.retry),
            };
            // Clients that were refused together shall not come together again.
            let turn = (self.index as u64) << 20 | self.attempts as u64;
            sleep(pause.mul_f64(0.5 + fraction(turn))).await;
        }
    }

    /// Reads until the client is told to lose its connection or the server ends it. Dropping the
    /// stream resets it. A loss waits for a return that is under way, so that every one is measured
    /// to its end.
    async fn listen(&mut self, mut stream: Connection) -> End {
        let shared = Rc::clone(&self.shared);
        let signal = &shared.signals[self.place];
        loop {
            if self.answer(&mut stream).await.is_err() {
                return End::Lost;
            }
            if let Some(end) = self.closed.take() {
                return end;
            }
            if self.resume.is_none()
                && let Some(away) = signal.cut.take()
            {
                return End::Cut(away);
            }
            if signal.stalled.get() {
                signal.changed.notified().await;
                continue;
            }
            tokio::select! {
                biased;
                () = signal.changed.notified(), if self.resume.is_none() => {}
                more = self.read(&mut stream) => match more {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return self.closed.take().unwrap_or(End::Lost),
                },
            }
        }
    }

    async fn answer(&mut self, stream: &mut TcpStream) -> Result<()> {
        if !self.answers.is_empty() {
            let bytes = std::mem::take(&mut self.answers);
            stream.write_all(&bytes).await?;
        }
        Ok(())
    }

    /// Takes what the next read brings; `false` at the end of the stream.
    async fn read(&mut self, stream: &mut TcpStream) -> Result<bool> {
        let shared = Rc::clone(&self.shared);
        // The read buffer is the thread's, so it is borrowed and emptied within one poll.
        // `poll_read` and not `try_read`: a short read tells tokio that the socket is empty, which
        // saves the second system call.
        poll_fn(|context| {
            let mut buffer = shared.buffer.borrow_mut();
            let mut buffer = ReadBuf::new(&mut buffer);
            if let Err(error) = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)) {
                return Poll::Ready(Err(error.into()));
            }
            let read = buffer.filled();
            Poll::Ready(self.take(read).map(|()| !read.is_empty()))
        })
        .await
    }

    /// Takes the frames of a chunk; an error when they break RFC 6455 or the server refuses.
    fn take(&mut self, chunk: &[u8]) -> Result<()> {
        let now = self.shared.clock.now();
        let mut reader = std::mem::take(&mut self.reader);
        let mut heard = Ok(());
        let fed = reader.feed(chunk, |event| match event {
            Event::Message(text) => {
                if let Err(error) = self.message(text, now) {
                    heard = Err(error);
                }
            }
            Event::Ping(payload) => self.answers.extend(pong(payload)),
            Event::Pong => {}
            Event::Close(code) => {
                self.closed = Some(End::Code(code));
                self.answers.extend(close());
            }
        });
        self.reader = reader;
        fed?;
        heard
    }

    fn message(&mut self, text: &[u8], now: u64) -> Result<()> {
        let shared = Rc::clone(&self.shared);
        let plan = &shared.plan;
        let token = shared.tokens.get(self.place).map_or("", String::as_str);
        // Only the command that subscribes names the channel.
        let channel = if self.subscribed { String::new() } else { self.channel() };
        let who = Who { token, channel: &channel };
        let mut recorder = shared.recorder.borrow_mut();
        match hear(plan.dialect, who, text, &mut self.answers)? {
            Said::Nothing => {}
            Said::Ready => self.subscribed = true,
            Said::Strange => recorder.tally.foreign += 1,
            Said::Reconnect(after) => self.advised = Some(after),
            Said::Greeting { cursor, replayed, gap } => {
                self.go_on_after(cursor);
                let travels = &mut recorder.tally.travels;
                travels.gaps += u64::from(gap);
                travels.replayed += replayed;
                if let Some(resume) = &mut self.resume {
                    resume.left = Some(replayed);
                }
            }
            Said::Notification { cursor } => {
                self.go_on_after(cursor);
                let replayed = match &mut self.resume {
                    Some(Resume { left: Some(left), .. }) => {
                        *left = left.saturating_sub(1);
                        true
                    }
                    _ => false,
                };
                let user = self.index % plan.users;
                recorder.message((self.place, user), text, now, replayed);
                shared.counts.received.set(recorder.tally.received);
            }
        }
        drop(recorder);
        self.returned();
        Ok(())
    }

    fn go_on_after(&mut self, cursor: Option<&str>) {
        if let Some(cursor) = cursor {
            self.cursor.clear();
            self.cursor.push_str(cursor);
        }
    }

    /// Notes a return that is complete.
    fn returned(&mut self) {
        if let Some(Resume { began, left: Some(0) }) = self.resume {
            let took = self.shared.clock.now().saturating_sub(began);
            let mut recorder = self.shared.recorder.borrow_mut();
            recorder.tally.travels.returning.record(took);
            self.resume = None;
        }
    }
}
