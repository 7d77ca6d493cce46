//! The latency floor: one raw connection subscribed to every channel.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::resp::{Token, command, connect, token};
use crate::record::{Clock, Expectation, Recorder, Tally};
use crate::target::RedisAddress;
use crate::worker::Counters;

/// A subscribed connection that records one run.
pub(crate) struct Subscriber {
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<Result<Tally>>>,
}

impl Subscriber {
    /// Subscribes and returns once every subscription is confirmed. It is the one receiver of
    /// all messages.
    pub(crate) async fn start(
        redis: &RedisAddress,
        channels: &[String],
        expected: Expectation,
        clock: Clock,
    ) -> Result<Self> {
        let stream = connect(redis)?;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut out = Vec::new();
        for batch in channels.chunks(1_000) {
            let mut words = vec![b"SUBSCRIBE".as_slice()];
            words.extend(batch.iter().map(String::as_bytes));
            command(&mut out, words.into_iter());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::new(1));
        let (ready, confirmed) = mpsc::sync_channel(1);
        let work = Work {
            clock,
            stop: Arc::clone(&stop),
            counters: Arc::clone(&counters),
            waiting: channels.len(),
            ready,
            recorder: Recorder::new(expected, 1),
        };
        let writer = stream.try_clone()?;
        let thread = thread::Builder::new().name("subscriber".into()).spawn(|| work.run(stream))?;
        let subscriber = Self { stop, counters, thread: Some(thread) };
        (&writer).write_all(&out)?;
        let wait = move || confirmed.recv_timeout(Duration::from_secs(10));
        if tokio::task::spawn_blocking(wait).await?.is_err() {
            // Its own error, if it has one, says more.
            subscriber.stop().await?;
            bail!("Redis did not confirm the floor's subscriptions within 10 s");
        }
        Ok(subscriber)
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Ends the connection and returns what it received.
    pub(crate) async fn stop(mut self) -> Result<Tally> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().context("the subscriber was stopped before")?;
        let joined = tokio::task::spawn_blocking(|| thread.join()).await?;
        joined.map_err(|_| anyhow!("the subscriber panicked"))?
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

struct Work {
    clock: Clock,
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    waiting: usize,
    ready: mpsc::SyncSender<()>,
    recorder: Recorder,
}

impl Work {
    fn run(mut self, mut stream: TcpStream) -> Result<Tally> {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        while !self.stop.load(Ordering::Acquire) {
            let read = match stream.read(&mut chunk) {
                Ok(0) => bail!("Redis closed the floor's subscription"),
                Ok(read) => read,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    continue;
                }
                Err(error) => return Err(error).context("reading the floor's subscription"),
            };
            let now = self.clock.now();
            bytes.extend_from_slice(&chunk[..read]);
            let mut used = 0;
            while let Some(size) = self.push(&bytes[used..], now)? {
                used += size;
            }
            bytes.drain(..used);
            self.counters.set(0, 1, self.recorder.tally.received);
        }
        Ok(self.recorder.tally)
    }

    /// Reads one push of Redis and returns its size; `None` while it is incomplete.
    fn push(&mut self, bytes: &[u8], now: u64) -> Result<Option<usize>> {
        let mut used = 0;
        let mut next = || -> Result<Option<Token<'_>>> {
            let found = token(&bytes[used..])?;
            Ok(found.map(|(token, size)| {
                used += size;
                token
            }))
        };
        let (Some(head), Some(kind), Some(_channel), Some(payload)) =
            (next()?, next()?, next()?, next()?)
        else {
            if let Some((Token::Error(error), _)) = token(bytes)? {
                bail!("Redis refused the floor's subscription: {}", String::from_utf8_lossy(error));
            }
            return Ok(None);
        };
        match (head, kind, payload) {
            (Token::Array(3), Token::Bulk(b"message"), Token::Bulk(payload)) => {
                self.recorder.message((0, 0), payload, now, false);
            }
            (Token::Array(3), Token::Bulk(b"subscribe"), Token::Int(_)) => {
                self.waiting = self.waiting.saturating_sub(1);
                if self.waiting == 0 {
                    self.ready.send(()).context("nobody waits for the subscriptions")?;
                }
            }
            other => bail!("an unexpected push of Redis: {other:?}"),
        }
        Ok(Some(used))
    }
}
