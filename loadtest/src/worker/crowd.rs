//! The tool's side: all workers of one crowd of sockets as if they were one.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::sync::{Mutex, mpsc};

use super::order::{Answer, Order, Plan};
use crate::client::Cuts;
use crate::record::{Clock, Expectation, Tally};
use crate::target::Process;

/// Handshakes under way at once in a worker; far below a listen backlog of 1,024.
const HANDSHAKES: usize = 128;

/// Sockets that one worker should have at most.
const SOCKETS_PER_WORKER: usize = 10_000;

/// Counters that other threads may read while the sockets run.
#[derive(Default)]
pub(crate) struct Counters {
    workers: Vec<Counter>,
}

#[derive(Default)]
struct Counter {
    open: AtomicUsize,
    received: AtomicU64,
}

impl Counters {
    /// Counters of so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Counter::default()).collect() }
    }

    /// Sockets open now.
    pub(crate) fn open(&self) -> usize {
        self.workers.iter().map(|worker| worker.open.load(Ordering::Relaxed)).sum()
    }

    /// Messages of the current run received by all sockets.
    pub(crate) fn received(&self) -> u64 {
        self.workers.iter().map(|worker| worker.received.load(Ordering::Acquire)).sum()
    }

    pub(crate) fn set(&self, worker: usize, open: usize, received: u64) {
        if let Some(worker) = self.workers.get(worker) {
            worker.open.store(open, Ordering::Relaxed);
            worker.received.store(received, Ordering::Release);
        }
    }
}

/// Sockets spread over worker processes; dropping it ends them all.
pub(crate) struct Crowd {
    workers: Vec<Worker>,
    counters: Arc<Counters>,
}

struct Worker {
    process: Process,
    /// Its input and its answers; one order at a time.
    line: Mutex<(ChildStdin, mpsc::Receiver<Answer>)>,
}

impl Crowd {
    /// Starts the workers, as many as asked for or as the sockets need; no socket is opened yet.
    pub(crate) fn start(plan: &Plan, workers: Option<usize>, clock: Clock) -> Result<Self> {
        let count = workers.unwrap_or(plan.clients.div_ceil(SOCKETS_PER_WORKER)).max(1);
        let most = plan.clients.div_ceil(count);
        crate::probe::check_descriptors(std::process::id(), "a worker of this tool", most)?;
        let counters = Arc::new(Counters::new(count));
        let start = |worker| {
            let plan = Plan { worker, workers: count, clock: clock.zero(), ..plan.clone() };
            Worker::start(&plan, Arc::clone(&counters))
        };
        let workers = (0..count).map(start).collect::<Result<_>>()?;
        Ok(Self { workers, counters })
    }

    /// Opens sockets until there are `until` of them; the first failure ends it.
    pub(crate) async fn open(&self, until: usize) -> Result<()> {
        self.all(&Order::Open { until, together: HANDSHAKES }).await
    }

    /// As `open`, all at once.
    pub(crate) async fn rush(&self, until: usize) -> Result<()> {
        self.all(&Order::Open { until, together: usize::MAX }).await
    }

    /// Starts counting afresh.
    pub(crate) async fn record(&self, expected: Expectation) -> Result<()> {
        self.all(&Order::Record(expected)).await
    }

    /// From now on clients lose their connections.
    pub(crate) async fn roam(&self, cuts: Cuts) -> Result<()> {
        self.all(&Order::Roam(cuts)).await
    }

    /// From now on no client loses its connection; those that have come back as planned.
    pub(crate) async fn stay(&self) -> Result<()> {
        self.all(&Order::Stay).await
    }

    /// So many clients stop reading, and all others read.
    pub(crate) async fn stall(&self, count: usize) -> Result<()> {
        self.all(&Order::Stall(count)).await
    }

    /// What was received since `record`, and what happened to connections.
    pub(crate) async fn tally(&self) -> Result<Tally> {
        let mut sum = Tally::default();
        for worker in &self.workers {
            match worker.ask(&Order::Tally).await? {
                Answer::Tally(tally) => sum.merge(&tally),
                other => bail!("a worker told {other:?} instead of its tally"),
            }
        }
        Ok(sum)
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The processes, for their CPU.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.workers.iter().map(|worker| worker.process.pid())
    }

    /// Closes all sockets and waits until they are gone.
    pub(crate) async fn close(self) -> Result<()> {
        // Dropping a process kills it and waits.
        Ok(tokio::task::spawn_blocking(move || drop(self)).await?)
    }

    /// Gives an order to all workers at once.
    async fn all(&self, order: &Order) -> Result<()> {
        let mut lines = Vec::new();
        for worker in &self.workers {
            let mut line = worker.line.lock().await;
            write(&mut line.0, order)?;
            lines.push(line);
        }
        for mut line in lines {
            match line.1.recv().await {
                Some(Answer::Done) => {}
                Some(Answer::Failed(why)) => bail!("{why}"),
                other => bail!("a worker told {other:?}"),
            }
        }
        Ok(())
    }
}

impl Worker {
    fn start(plan: &Plan, counters: Arc<Counters>) -> Result<Self> {
        let own = std::env::current_exe().context("where is this tool?")?;
        let mut command = Command::new(own);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn("a worker", command)?;
        let (mut input, output) = process.pipes().context("a worker has no pipes")?;
        write(&mut input, plan)?;
        // One order is under way at a time, and has one answer.
        let (answers, inbox) = mpsc::channel(2);
        let number = plan.worker;
        thread::Builder::new()
            .name("answers".into())
            .spawn(move || listen(output, number, &counters, &answers))?;
        Ok(Self { process, line: Mutex::new((input, inbox)) })
    }

    async fn ask(&self, order: &Order) -> Result<Answer> {
        let mut line = self.line.lock().await;
        write(&mut line.0, order)?;
        line.1.recv().await.ok_or_else(|| anyhow!("a worker ended early"))
    }
}

fn write(input: &mut ChildStdin, line: &impl serde::Serialize) -> Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    ensure!(!bytes.contains(&b'\n'), "an order has one line");
    bytes.push(b'\n');
    input.write_all(&bytes).context("a worker is gone")
}

/// Reads a worker's lines until they end.
fn listen(output: ChildStdout, worker: usize, counters: &Counters, answers: &mpsc::Sender<Answer>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Answer::Count { open, received }) => counters.set(worker, open, received),
            Ok(answer) => {
                if answers.blocking_send(answer).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}
