//! The worker's side.

use std::io::{BufRead, Write, stdin, stdout};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::order::{Answer, Order, Plan};
use crate::client::{Client, Counts, Cuts, Shared, Signal};
use crate::record::{Clock, Recorder};
use crate::target::{mint, user};

/// How often changed counts are told; a closed loop of 4,096 at 500,000/s lasts 8 ms.
const TELL: Duration = Duration::from_millis(1);

#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {}

/// Runs the worker until its standard input ends.
pub(crate) fn run(_: &WorkerArgs) -> Result<()> {
    let (lines, mut inbox) = mpsc::channel(4);
    thread::Builder::new().name("stdin".into()).spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
        // The tool has gone, or wants no more: whatever is under way ends with it.
        std::process::exit(0);
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        let Some(plan) = inbox.recv().await else { return Ok(()) };
        let plan: Plan = serde_json::from_str(&plan).context("the first line is no plan")?;
        Worker::new(plan)?.serve(inbox).await
    }))
}

struct Worker {
    shared: Rc<Shared>,
    /// Sockets that were asked for.
    opened: usize,
    roaming: Option<JoinHandle<()>>,
}

impl Worker {
    fn new(plan: Plan) -> Result<Self> {
        let clients = plan.share(plan.clients);
        let token = |place| {
            let secret = plan.secret.as_deref()?;
            Some(mint(secret, &user(plan.index(place) % plan.users)))
        };
        let shared = Rc::new(Shared {
            clock: Clock::join(plan.clock),
            tokens: (0..clients).map_while(token).collect::<Result<_>>()?,
            signals: (0..clients).map(|_| Signal::default()).collect(),
            buffer: std::cell::RefCell::new(vec![0; 64 * 1024].into()),
            recorder: std::cell::RefCell::new(Recorder::default()),
            counts: Counts::default(),
            plan,
        });
        Ok(Self { shared, opened: 0, roaming: None })
    }

    async fn serve(mut self, mut inbox: mpsc::Receiver<String>) -> Result<()> {
        spawn_local(tell(Rc::clone(&self.shared)));
        while let Some(line) = inbox.recv().await {
            let order = serde_json::from_str(&line).context("a line is no order")?;
            let answer = self.obey(order).await;
            // The tool reads counts first: what it is told next is not older than them.
            count(&self.shared)?;
            say(&answer.unwrap_or_else(|error| Answer::Failed(format!("{error:#}"))))?;
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<Answer> {
        match order {
            Order::Open { until, together } => self.open(until, together).await?,
            Order::Record(expected) => {
                self.shared.recorder.borrow_mut().restart(expected, self.opened);
                self.shared.counts.received.set(0);
            }
            Order::Roam(cuts) => {
                self.roaming = Some(spawn_local(roam(Rc::clone(&self.shared), cuts)));
            }
            Order::Stay => {
                if let Some(task) = self.roaming.take() {
                    task.abort();
                }
            }
            Order::Stall(count) => self.stall(count),
            Order::Tally => {
                let tally = self.shared.recorder.borrow().tally.clone();
                return Ok(Answer::Tally(Box::new(tally)));
            }
        }
        Ok(Answer::Done)
    }

    async fn open(&mut self, until: usize, together: usize) -> Result<()> {
        let mut waiting = self.opened..self.shared.plan.share(until);
        self.opened = self.opened.max(waiting.end);
        let mut connecting = JoinSet::new();
        loop {
            for place in waiting.by_ref().take(together.saturating_sub(connecting.len())) {
                let mut client = Client::new(place, Rc::clone(&self.shared));
                connecting.spawn_local(async move {
                    let opened = client.open().await;
                    opened.map(|connection| (client, connection))
                });
            }
            let Some(joined) = connecting.join_next().await else { return Ok(()) };
            let (client, connection) = joined??;
            spawn_local(client.run(connection));
        }
    }

    /// Stalls every so many-th of all clients, whosever they are.
    fn stall(&self, count: usize) {
        let (all, plan) = (self.shared.plan.clients, &self.shared.plan);
        for (place, signal) in self.shared.signals.iter().enumerate() {
            let index = plan.index(place);
            // As in drawing a line: `count` of `all`, evenly.
            signal.stalled.set((index + 1) * count / all > index * count / all);
            signal.changed.notify_one();
        }
    }
}

/// Tells one client after the other to lose its connection, round and round.
async fn roam(shared: Rc<Shared>, cuts: Cuts) {
    let order = cuts.order((0..shared.signals.len()).map(|place| shared.plan.index(place)));
    let mut lap = Instant::now();
    loop {
        for &(moment, place) in &order {
            sleep_until(lap + moment).await;
            let signal = &shared.signals[place];
            signal.cut.set(Some(cuts.away));
            signal.changed.notify_one();
        }
        lap += cuts.every;
    }
}

async fn tell(shared: Rc<Shared>) {
    let mut told = (0, 0);
    loop {
        sleep(TELL).await;
        let now = (shared.counts.open.get(), shared.counts.received.get());
        // A tool that does not read any more has gone, and standard input ends too.
        if now != told && count(&shared).is_err() {
            return;
        }
        told = now;
    }
}

fn count(shared: &Shared) -> Result<()> {
    let (open, received) = (shared.counts.open.get(), shared.counts.received.get());
    say(&Answer::Count { open, received })
}

fn say(answer: &Answer) -> Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut out = stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}
