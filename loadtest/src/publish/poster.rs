//! Publishing over HTTP, on several connections, each with a request under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, park_timeout};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::pace::{Pace, Schedule};
use super::publisher::Published;
use super::template::Template;
use crate::client::head_end;
use crate::record::Clock;
use crate::target::HttpAddress;
use crate::worker::Counters;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a refusal.
const RETRY: Duration = Duration::from_millis(200);
/// Longest answer taken, bytes; that to 1,000 notifications has about 120 KB.
const MAX_ANSWER: usize = 16 << 20;

/// What an API for publishing wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `POST /api/publish` with an array
    Campanile,
    /// `POST /api/batch` with commands
    Centrifugo,
}

impl Form {
    fn head(self, host: &str, key: &str) -> String {
        let (path, header) = match self {
            Self::Campanile => ("publish", format!("Authorization: Bearer {key}")),
            Self::Centrifugo => ("batch", format!("X-API-Key: {key}")),
        };
        format!(
            "POST /api/{path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n\
             Content-Type: application/json\r\nContent-Length: "
        )
    }

    /// Before and behind the elements.
    fn brackets(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Campanile => (b"[", b"]"),
            Self::Centrifugo => (br#"{"commands":["#, b"]}"),
        }
    }

    /// What the answer has for each element that was accepted.
    fn success(self) -> &'static str {
        match self {
            Self::Campanile => r#""ok":true"#,
            Self::Centrifugo => r#"{"publish":{"#,
        }
    }
}

/// Posts until stopped; dropping it stops it after the requests under way.
pub(crate) struct Poster {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<Published>>>,
}

impl Poster {
    /// Posts arrays of at most `batch` elements. Each of the `connections` has users of its own, so
    /// that the notifications of one user keep their order, and its share of the pace.
    pub(crate) fn start(
        (server, form, key): (&HttpAddress, Form, &str),
        elements: Vec<Template>,
        (connections, batch): (usize, usize),
        (pace, receivers): (Pace, Arc<Counters>),
        clock: Clock,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        let users = elements.len() as u64;
        let hands = deal(elements, connections);
        let connections = hands.len();
        for (offset, elements) in hands.into_iter().enumerate() {
            let stream = TcpStream::connect_timeout(&server.address, Duration::from_secs(5))
                .with_context(|| format!("cannot connect to {}", server.address))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let numbers = Numbers {
                offset: offset as u64,
                step: connections as u64,
                elements: elements.len() as u64,
                users,
            };
            let work = Work {
                stream,
                form,
                head: form.head(&server.host, key),
                elements,
                batch,
                numbers,
                pace: pace.share(connections),
                receivers: Arc::clone(&receivers),
                clock,
                stop: Arc::clone(&stop),
                accepted: Arc::clone(&accepted),
            };
            threads.push(thread::Builder::new().name("post".into()).spawn(|| work.run())?);
        }
        Ok(Self { stop, accepted, threads })
    }

    /// Notifications that the server has accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Stops after the requests under way.
    pub(crate) async fn stop(mut self) -> Result<Published> {
        self.stop.store(true, Ordering::Release);
        let mut all = Published::default();
        for thread in std::mem::take(&mut self.threads) {
            let joined = tokio::task::spawn_blocking(|| thread.join()).await?;
            let part = joined.map_err(|_| anyhow!("a poster panicked"))??;
            all.lag.merge(&part.lag);
            for (reason, count) in part.refusals {
                *all.refusals.entry(reason).or_default() += count;
            }
        }
        Ok(Published { sent: self.accepted(), ..all })
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Gives every element to one of `hands`, as cards are dealt; a hand without any is left out.
fn deal<T>(elements: Vec<T>, hands: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<Vec<T>> = (0..hands.min(elements.len())).map(|_| Vec::new()).collect();
    let hands = dealt.len();
    for (index, element) in elements.into_iter().enumerate() {
        dealt[index % hands].push(element);
    }
    dealt
}

struct Work {
    stream: TcpStream,
    form: Form,
    /// Up to the length of the body.
    head: String,
    elements: Vec<Template>,
    batch: usize,
    numbers: Numbers,
    pace: Pace,
    receivers: Arc<Counters>,
    clock: Clock,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
}

impl Work {
    /// A request that was refused is not repeated: its numbers are never sent.
    fn run(mut self) -> Result<Published> {
        let mut published = Published::default();
        let mut schedule = Schedule::new(self.pace, self.clock.now(), self.batch as u64);
        let (mut sent, mut done) = (0, 0);
        let mut body = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            let now = self.clock.now();
            let waited_for = match self.pace {
                Pace::Pipeline(_) | Pace::Rate(_) => done,
                Pace::Window(_) => self.receivers.received() / self.numbers.step,
            };
            let due = schedule.due(now, sent, waited_for);
            if due == 0 {
                park_timeout(schedule.pause(now, sent));
                continue;
            }
            self.fill(&mut body, sent..sent + due, |number| {
                let intended = schedule.intended(number, now);
                published.lag.record(now.saturating_sub(intended));
                intended
            });
            let head = format!("{}{}\r\n\r\n", self.head, body.len());
            self.stream.write_all(head.as_bytes()).context("publishing over HTTP")?;
            self.stream.write_all(&body).context("publishing over HTTP")?;
            sent += due;
            done += due;
            if let Some(refusal) = self.answer(due)? {
                *published.refusals.entry(refusal).or_default() += 1;
                park_timeout(RETRY);
            } else {
                self.accepted.fetch_add(due, Ordering::AcqRel);
            }
        }
        Ok(published)
    }

    fn fill(&self, body: &mut Vec<u8>, turns: Range<u64>, mut intended: impl FnMut(u64) -> u64) {
        let (open, close) = self.form.brackets();
        body.clear();
        body.extend_from_slice(open);
        let start = usize::try_from(turns.start % self.elements.len() as u64).unwrap_or(0);
        let mut elements = self.elements.iter().cycle().skip(start);
        for (place, turn) in turns.enumerate() {
            if place > 0 {
                body.push(b',');
            }
            let number = self.numbers.of(turn);
            if let Some(element) = elements.next() {
                element.write(body, number, intended(turn));
            }
        }
        body.extend_from_slice(close);
    }

    /// Reads one answer: `None` is the acceptance of all elements, else why the server cannot take
    /// them now.
    fn answer(&mut self, count: u64) -> Result<Option<String>> {
        let mut answer = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let (status, body) = loop {
            if let Some(whole) = parse(&answer)? {
                break whole;
            }
            ensure!(answer.len() <= MAX_ANSWER, "the server's answer is too long");
            let read = self.stream.read(&mut chunk).context("no answer to a publish over HTTP")?;
            ensure!(read > 0, "the server closed a publisher's connection");
            answer.extend_from_slice(&chunk[..read]);
        };
        let body = String::from_utf8_lossy(body);
        if status != "200" {
            let body: String = body.chars().take(200).collect();
            let text = format!("{status} {body}");
            ensure!(status.starts_with('5'), "the server answered a publish with {text}");
            return Ok(Some(text));
        }
        let accepted = body.matches(self.form.success()).count() as u64;
        ensure!(accepted == count, "the server accepted {accepted} of {count} notifications");
        Ok(None)
    }
}

/// Which numbers a connection gives: number `n` is for user `n` modulo the users, and the users of a
/// connection are those that it was dealt.
struct Numbers {
    offset: u64,
    step: u64,
    elements: u64,
    users: u64,
}

impl Numbers {
    fn of(&self, turn: u64) -> u64 {
        let (lap, place) = (turn / self.elements, turn % self.elements);
        lap * self.users + place * self.step + self.offset
    }
}

/// Status and body of an answer with a length; `None` while it is incomplete.
fn parse(answer: &[u8]) -> Result<Option<(String, &[u8])>> {
    let Some(end) = head_end(answer) else { return Ok(None) };
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let status = status.to_owned();
    let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.context("the server's answer has no length")??;
    Ok(answer.get(end..end + length).map(|body| (status, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]).unwrap(), None, "{end} bytes");
        }
        assert_eq!(parse(whole).unwrap(), Some(("200".to_owned(), b"body".as_slice())));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn every_user_belongs_to_one_connection() {
        assert_eq!(deal(vec![0, 1, 2, 3, 4], 2), [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(deal(vec![0], 4), [vec![0]]);
        let second = Numbers { offset: 1, step: 2, elements: 2, users: 5 };
        assert_eq!([0, 1, 2, 3].map(|turn| second.of(turn)), [1, 3, 6, 8]);
    }
}
