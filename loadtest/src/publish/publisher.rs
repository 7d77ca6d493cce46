//! The publisher: one thread writes commands on a schedule, one reads the replies.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, park_timeout};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::pace::{BATCH, Pace, Schedule};
use super::resp::{Token, connect, token};
use super::template::Template;
use crate::record::{Clock, Times};
use crate::target::RedisAddress;
use crate::worker::Counters;

/// What was published.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) sent: u64,
    /// Messages that Redis handed to no subscriber.
    pub(crate) unheard: u64,
    /// Requests that the server has refused for the moment, by reason.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Intended → actual send, nanoseconds.
    pub(crate) lag: Times,
}

/// A publisher at work; dropping it stops it.
pub(crate) struct Publisher {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    writer: Option<JoinHandle<Result<Published>>>,
}

impl Publisher {
    /// Publishes round-robin over the templates until stopped. `receivers` counts what arrived.
    pub(crate) fn start(
        redis: &RedisAddress,
        templates: Vec<Template>,
        pace: Pace,
        receivers: Arc<Counters>,
        clock: Clock,
    ) -> Result<Self> {
        let stream = connect(redis)?;
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let mut work = Work {
            templates,
            pace,
            receivers,
            clock,
            stop: Arc::clone(&stop),
            answered: Arc::clone(&answered),
        };
        let writer = thread::Builder::new()
            .name("publish".into())
            .spawn(move || work.run(stream))
            .context("cannot start the publisher's thread")?;
        Ok(Self { stop, answered, writer: Some(writer) })
    }

    /// Publishes that Redis has answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// Stops after the current batch and waits for all replies.
    pub(crate) async fn stop(mut self) -> Result<Published> {
        self.stop.store(true, Ordering::Release);
        let writer = self.writer.take().context("the publisher was stopped before")?;
        let joined = tokio::task::spawn_blocking(|| writer.join()).await?;
        joined.map_err(|_| anyhow!("the publisher panicked"))?
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

struct Work {
    templates: Vec<Template>,
    pace: Pace,
    receivers: Arc<Counters>,
    clock: Clock,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Work {
    fn run(&mut self, mut stream: TcpStream) -> Result<Published> {
        let replies = Replies::read(stream.try_clone()?, Arc::clone(&self.answered))?;
        let mut lag = Times::default();
        let mut schedule = Schedule::new(self.pace, self.clock.now(), BATCH);
        let mut out = Vec::with_capacity(128 * 1024);
        let mut sent = 0;
        while !self.stop.load(Ordering::Acquire) {
            let now = self.clock.now();
            let due = schedule.due(now, sent, self.done());
            if due == 0 {
                park_timeout(schedule.pause(now, sent));
                continue;
            }
            out.clear();
            for (number, template) in (sent..sent + due).zip(self.cycle(sent)) {
                let intended = schedule.intended(number, now);
                lag.record(now.saturating_sub(intended));
                template.write(&mut out, number, intended);
            }
            stream.write_all(&out).context("publishing to Redis")?;
            sent += due;
        }
        let unheard = replies.finish(sent)?;
        Ok(Published { sent, unheard, lag, refusals: BTreeMap::new() })
    }

    /// Messages that a closed loop waits for no longer.
    fn done(&self) -> u64 {
        match self.pace {
            Pace::Pipeline(_) => self.answered.load(Ordering::Acquire),
            Pace::Rate(_) | Pace::Window(_) => self.receivers.received(),
        }
    }

    fn cycle(&self, from: u64) -> impl Iterator<Item = &Template> {
        let start = usize::try_from(from % self.templates.len() as u64).unwrap_or(0);
        self.templates.iter().cycle().skip(start)
    }
}

/// Reads one reply per command, so that Redis never waits for us.
struct Replies {
    expected: Arc<AtomicU64>,
    thread: JoinHandle<Result<u64>>,
}

impl Replies {
    fn read(stream: TcpStream, answered: Arc<AtomicU64>) -> Result<Self> {
        let expected = Arc::new(AtomicU64::new(u64::MAX));
        let until = Arc::clone(&expected);
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let thread = thread::Builder::new()
            .name("replies".into())
            .spawn(move || count_replies(stream, &until, &answered))?;
        Ok(Self { expected, thread })
    }

    /// Waits for the replies of all `sent` commands; returns how many reached no subscriber.
    fn finish(self, sent: u64) -> Result<u64> {
        self.expected.store(sent, Ordering::Release);
        self.thread.join().map_err(|_| anyhow!("the reader of replies panicked"))?
    }
}

fn count_replies(mut stream: TcpStream, expected: &AtomicU64, answered: &AtomicU64) -> Result<u64> {
    let (mut replies, mut unheard) = (0, 0);
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    while replies < expected.load(Ordering::Acquire) {
        let read = match stream.read(&mut chunk) {
            Ok(0) => return Err(anyhow!("Redis closed the publisher's connection")),
            Ok(read) => read,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error).context("reading the replies of Redis"),
        };
        bytes.extend_from_slice(&chunk[..read]);
        let mut used = 0;
        while let Some((token, size)) = token(&bytes[used..])? {
            match token {
                Token::Error(error) => {
                    let error = String::from_utf8_lossy(error);
                    return Err(anyhow!("Redis refused to publish: {error}"));
                }
                Token::Int(subscribers) => unheard += u64::from(subscribers == 0),
                _ => {}
            }
            used += size;
            replies += 1;
        }
        bytes.drain(..used);
        answered.store(replies, Ordering::Release);
    }
    Ok(unheard)
}
