//! Many users with one client of `campanile.v1` each, which lose their connections and come back to
//! where they were; on one thread, as the fleet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet, LocalSet, spawn_local};
use tokio::time::{Instant, sleep_until};

use super::cuts::Cuts;
use super::fleet::{Counters, HANDSHAKES};
use super::roamer::Roamer;
use crate::record::{Clock, RunId};
use crate::stats::latency_histogram;
use crate::target::HttpAddress;

/// Who connects where.
pub(crate) struct CrowdPlan {
    /// Clients alternate between them.
    pub(crate) gateways: Vec<HttpAddress>,
    pub(crate) path: String,
    /// One per client.
    pub(crate) tokens: Vec<String>,
    /// Whose notifications count: number `n` is for client `n` modulo the clients.
    pub(crate) run: RunId,
    pub(crate) cuts: Cuts,
}

/// What a crowd went through.
#[derive(Clone)]
pub(crate) struct Travels {
    /// Notifications, each once per client.
    pub(crate) received: u64,
    /// Came to the same client again.
    pub(crate) doubles: u64,
    /// Came for the first time, after a later one.
    pub(crate) late: u64,
    /// Frames that are no notification of the run for this client, nor anything else that is known.
    pub(crate) foreign: u64,
    /// Connections that were lost and are there again.
    pub(crate) reconnects: u64,
    /// Notifications that greetings promised to replay.
    pub(crate) replayed: u64,
    /// Greetings that told of a gap.
    pub(crate) gaps: u64,
    /// First attempt to connect → last replayed notification, nanoseconds.
    pub(crate) replays: Histogram<u64>,
    /// Attempts to come back that failed, by reason.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Sockets that the gateway ended, by reason.
    pub(crate) ends: BTreeMap<String, u64>,
}

/// What the clients of the thread share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) plan: CrowdPlan,
    pub(super) buffer: RefCell<Box<[u8]>>,
    pub(super) travels: RefCell<Travels>,
    pub(super) counters: Arc<Counters>,
    /// Tells each client to lose its connection.
    pub(super) cuts: Vec<Notify>,
}

enum Command {
    Open { done: oneshot::Sender<Result<()>> },
    Roam { done: oneshot::Sender<()> },
    Stay { done: oneshot::Sender<()> },
    Travels { done: oneshot::Sender<Travels> },
}

/// The handle; dropping it closes all sockets.
pub(crate) struct Crowd {
    commands: mpsc::Sender<Command>,
    counters: Arc<Counters>,
    thread: thread::JoinHandle<()>,
}

impl Crowd {
    /// Starts the thread; no socket is opened yet.
    pub(crate) fn start(plan: CrowdPlan, clock: Clock) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counters = Arc::new(Counters::default());
        let published = Arc::clone(&counters);
        let (commands, inbox) = mpsc::channel(4);
        let thread = thread::Builder::new().name("crowd".into()).spawn(move || {
            let shared = Rc::new(Shared {
                clock,
                cuts: plan.tokens.iter().map(|_| Notify::new()).collect(),
                plan,
                buffer: RefCell::new(vec![0; 64 * 1024].into()),
                travels: RefCell::new(Travels::default()),
                counters: published,
            });
            let tasks = LocalSet::new();
            runtime.block_on(tasks.run_until(serve(inbox, shared)));
        })?;
        Ok(Self { commands, counters, thread })
    }

    /// Opens a socket for each client; the first failure ends it.
    pub(crate) async fn open(&self) -> Result<()> {
        self.ask(|done| Command::Open { done }).await?
    }

    /// From now on clients lose their connections.
    pub(crate) async fn roam(&self) -> Result<()> {
        self.ask(|done| Command::Roam { done }).await
    }

    /// From now on no client loses its connection; those that have come back as planned.
    pub(crate) async fn stay(&self) -> Result<()> {
        self.ask(|done| Command::Stay { done }).await
    }

    /// What happened so far.
    pub(crate) async fn travels(&self) -> Result<Travels> {
        self.ask(|done| Command::Travels { done }).await
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Closes all sockets and waits until they are gone.
    pub(crate) async fn close(self) -> Result<()> {
        drop(self.commands);
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        ended.map_err(|_| anyhow!("the crowd's thread panicked"))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T> {
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).await.ok().context("the crowd's thread is gone")?;
        answer.await.context("the crowd's thread is gone")
    }
}

impl Default for Travels {
    fn default() -> Self {
        Self {
            received: 0,
            doubles: 0,
            late: 0,
            foreign: 0,
            reconnects: 0,
            replayed: 0,
            gaps: 0,
            replays: latency_histogram(),
            refusals: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }
}

async fn serve(mut inbox: mpsc::Receiver<Command>, shared: Rc<Shared>) {
    let mut cutting: Option<JoinHandle<()>> = None;
    // A receiver that went away was cancelled together with its question.
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Open { done } => {
                done.send(open(&shared).await).ok();
            }
            Command::Roam { done } => {
                cutting = Some(spawn_local(cut(Rc::clone(&shared))));
                done.send(()).ok();
            }
            Command::Stay { done } => {
                if let Some(task) = cutting.take() {
                    task.abort();
                }
                done.send(()).ok();
            }
            Command::Travels { done } => {
                done.send(shared.travels.borrow().clone()).ok();
            }
        }
    }
}

async fn open(shared: &Rc<Shared>) -> Result<()> {
    let mut connecting = JoinSet::new();
    let mut waiting = 0..shared.plan.tokens.len();
    loop {
        for index in waiting.by_ref().take(HANDSHAKES - connecting.len()) {
            let shared = Rc::clone(shared);
            connecting.spawn_local(async move {
                let mut roamer = Roamer::new(index, shared);
                let connected = roamer.connect().await;
                connected.map(|connection| (roamer, connection))
            });
        }
        let Some(joined) = connecting.join_next().await else { return Ok(()) };
        let (roamer, connection) = joined??;
        shared.counters.opened();
        spawn_local(roamer.run(connection));
    }
}

/// Tells one client after the other, round and round.
async fn cut(shared: Rc<Shared>) {
    let cuts = shared.plan.cuts;
    let order = cuts.order(shared.cuts.len());
    let mut lap = Instant::now();
    loop {
        for &(moment, index) in &order {
            sleep_until(lap + moment).await;
            shared.cuts[index].notify_one();
        }
        lap += cuts.every;
    }
}
