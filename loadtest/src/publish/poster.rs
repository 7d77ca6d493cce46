//! `POST /api/publish` with arrays, on several connections, each with a request under way.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, park_timeout};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::template::Template;
use crate::client::head_end;
use crate::record::Clock;
use crate::target::HttpAddress;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a refusal.
const RETRY: Duration = Duration::from_millis(200);
/// Longest answer taken, bytes; that to 1,000 notifications has about 120 KB.
const MAX_ANSWER: usize = 16 << 20;

/// What was posted.
#[derive(Default)]
pub(crate) struct Posted {
    /// Notifications that the gateway has accepted.
    pub(crate) accepted: u64,
    /// Requests that it has refused for the moment, by reason.
    pub(crate) refusals: BTreeMap<String, u64>,
}

/// Posts until stopped; dropping it stops it after the requests under way.
pub(crate) struct Poster {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<BTreeMap<String, u64>>>>,
}

impl Poster {
    /// Posts arrays of `batch` elements. Each of the `connections` has users of its own, so that the
    /// notifications of one user keep their order.
    pub(crate) fn start(
        gateway: &HttpAddress,
        key: &str,
        elements: Vec<Template>,
        (connections, batch): (usize, usize),
        clock: Clock,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for (offset, elements) in deal(elements, connections).into_iter().enumerate() {
            let stream = TcpStream::connect_timeout(&gateway.address, Duration::from_secs(5))
                .with_context(|| format!("cannot connect to {}", gateway.address))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let head = format!(
                "POST /api/publish HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\
                 Content-Type: application/json\r\nContent-Length: ",
                gateway.host
            );
            let work = Work {
                stream,
                head,
                elements,
                batch,
                numbers: (offset as u64..).step_by(connections),
                clock,
                stop: Arc::clone(&stop),
                accepted: Arc::clone(&accepted),
            };
            threads.push(thread::Builder::new().name("post".into()).spawn(|| work.run())?);
        }
        Ok(Self { stop, accepted, threads })
    }

    /// Notifications that the gateway has accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Stops after the requests under way.
    pub(crate) async fn stop(mut self) -> Result<Posted> {
        self.stop.store(true, Ordering::Release);
        let mut refusals = BTreeMap::new();
        for thread in std::mem::take(&mut self.threads) {
            let joined = tokio::task::spawn_blocking(|| thread.join()).await?;
            for (reason, count) in joined.map_err(|_| anyhow!("a poster panicked"))?? {
                *refusals.entry(reason).or_default() += count;
            }
        }
        Ok(Posted { accepted: self.accepted(), refusals })
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

struct Work<N> {
    stream: TcpStream,
    /// Up to the length of the body.
    head: String,
    elements: Vec<Template>,
    batch: usize,
    numbers: N,
    clock: Clock,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
}

impl<N: Iterator<Item = u64>> Work<N> {
    fn run(mut self) -> Result<BTreeMap<String, u64>> {
        let mut refusals = BTreeMap::new();
        let elements = std::mem::take(&mut self.elements);
        let mut elements = elements.iter().cycle();
        let mut body = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            let now = self.clock.now();
            body.clear();
            body.push(b'[');
            for (number, element) in self.numbers.by_ref().zip(elements.by_ref()).take(self.batch) {
                if body.len() > 1 {
                    body.push(b',');
                }
                element.write(&mut body, number, now);
            }
            body.push(b']');
            let head = format!("{}{}\r\n\r\n", self.head, body.len());
            self.stream.write_all(head.as_bytes()).context("publishing over HTTP")?;
            self.stream.write_all(&body).context("publishing over HTTP")?;
            if let Some(refusal) = self.answer()? {
                *refusals.entry(refusal).or_default() += 1;
                park_timeout(RETRY);
            } else {
                self.accepted.fetch_add(self.batch as u64, Ordering::AcqRel);
            }
        }
        Ok(refusals)
    }

    /// Reads one answer: `None` is the acceptance of all elements, else why the gateway cannot take
    /// them now.
    fn answer(&mut self) -> Result<Option<String>> {
        let mut answer = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let (status, body) = loop {
            if let Some(whole) = parse(&answer)? {
                break whole;
            }
            ensure!(answer.len() <= MAX_ANSWER, "the gateway's answer is too long");
            let read = self.stream.read(&mut chunk).context("no answer to a publish over HTTP")?;
            ensure!(read > 0, "the gateway closed a publisher's connection");
            answer.extend_from_slice(&chunk[..read]);
        };
        let body = String::from_utf8_lossy(body);
        if status != "200" {
            let body: String = body.chars().take(200).collect();
            let text = format!("{status} {body}");
            ensure!(status.starts_with('5'), "the gateway answered a publish with {text}");
            return Ok(Some(text));
        }
        let accepted = body.matches(r#""ok":true"#).count();
        let batch = self.batch;
        ensure!(accepted == batch, "the gateway accepted {accepted} of {batch} notifications");
        Ok(None)
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
    let length = length.context("the gateway's answer has no length")??;
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
    }
}
