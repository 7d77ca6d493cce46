//! The publisher: one thread writes commands on a schedule, one reads the replies.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;

use super::resp::{Token, connect, token};
use super::template::Template;
use crate::client::Counters;
use crate::record::Clock;
use crate::stats::{float, latency_histogram, whole};
use crate::target::RedisAddress;

/// Commands per write at most, so that one late wake-up does not become one huge burst.
const BATCH: u64 = 256;
/// How often a closed loop looks for room; the kernel's timer slack for a sleeping thread is 50 µs.
const TICK: Duration = Duration::from_micros(50);
/// Longest pause of an open loop, so that it notices its end.
const NAP: Duration = Duration::from_millis(100);
/// A closed loop that has not moved for this long lost messages: it gives them up.
const STALL: Duration = Duration::from_secs(2);

/// How fast to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Open loop: messages per second, whatever the receivers do.
    Rate(f64),
    /// Closed loop: at most this many published and not yet received.
    Window(u64),
    /// Closed loop: at most this many that Redis has not answered, whoever receives them.
    Pipeline(u64),
}

/// What was published.
pub(crate) struct Published {
    pub(crate) sent: u64,
    /// Messages that Redis handed to no subscriber.
    pub(crate) unheard: u64,
    /// Intended → actual send, nanoseconds.
    pub(crate) lag: Histogram<u64>,
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
        let mut lag = latency_histogram();
        let mut schedule = Schedule::new(self.pace, self.clock.now());
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
                lag.saturating_record(now.saturating_sub(intended));
                template.write(&mut out, number, intended);
            }
            stream.write_all(&out).context("publishing to Redis")?;
            sent += due;
        }
        let unheard = replies.finish(sent)?;
        Ok(Published { sent, unheard, lag })
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

/// Says which messages are due.
struct Schedule {
    pace: Pace,
    start: u64,
    /// Messages that a closed loop no longer waits for.
    given_up: u64,
    /// Receipts or answers at the last look, and when they last changed.
    progress: (u64, Instant),
}

impl Schedule {
    fn new(pace: Pace, start: u64) -> Self {
        Self { pace, start, given_up: 0, progress: (0, Instant::now()) }
    }

    fn due(&mut self, now: u64, sent: u64, done: u64) -> u64 {
        match self.pace {
            Pace::Rate(rate) => {
                let elapsed = float(now.saturating_sub(self.start)) / 1e9;
                (1 + whole(elapsed * rate)).saturating_sub(sent).min(BATCH)
            }
            Pace::Window(window) | Pace::Pipeline(window) => {
                let outstanding = sent.saturating_sub(done + self.given_up);
                if done != self.progress.0 {
                    self.progress = (done, Instant::now());
                } else if outstanding >= window && self.progress.1.elapsed() > STALL {
                    self.given_up += outstanding;
                    self.progress.1 = Instant::now();
                }
                window.saturating_sub(outstanding).min(BATCH)
            }
        }
    }

    /// How long to sleep when nothing is due.
    fn pause(&self, now: u64, sent: u64) -> Duration {
        match self.pace {
            Pace::Rate(_) => {
                Duration::from_nanos(self.intended(sent, now).saturating_sub(now)).min(NAP)
            }
            Pace::Window(_) | Pace::Pipeline(_) => TICK,
        }
    }

    /// An open loop's plan for the message; a closed loop has none but now.
    fn intended(&self, number: u64, now: u64) -> u64 {
        match self.pace {
            Pace::Rate(rate) => self.start + whole(float(number) / rate * 1e9),
            Pace::Window(_) | Pace::Pipeline(_) => now,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_keeps_its_schedule_when_it_wakes_late() {
        let mut schedule = Schedule::new(Pace::Rate(1_000.0), 5_000_000);
        assert_eq!(schedule.due(5_000_000, 0, 0), 1);
        assert_eq!(schedule.due(15_000_000, 1, 0), 10);
        assert_eq!(schedule.due(15_000_000, 11, 0), 0);
        assert_eq!(schedule.due(10_005_000_000, 11, 0), BATCH);
        assert_eq!(schedule.intended(10, 99_000_000), 15_000_000);
        assert_eq!(schedule.pause(14_600_000, 10), Duration::from_micros(400));
    }

    #[test]
    fn a_closed_loop_keeps_its_window() {
        let mut schedule = Schedule::new(Pace::Window(100), 0);
        assert_eq!(schedule.due(0, 0, 0), 100);
        assert_eq!(schedule.due(0, 100, 0), 0);
        assert_eq!(schedule.due(0, 100, 30), 30);
        assert_eq!(schedule.intended(10, 99), 99);
    }
}
