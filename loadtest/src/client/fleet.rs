//! Many sockets on one thread with a single-threaded runtime: no wake-up crosses a thread, and all
//! sockets share one read buffer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};

use super::socket;
use crate::record::{Clock, Recorder, RunId, Tally};

/// Handshakes under way at once; far below a listen backlog of 1,024.
pub(super) const HANDSHAKES: usize = 128;

/// Where the sockets go and how they introduce themselves.
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) hello: Hello,
}

/// What a socket says first.
pub(crate) enum Hello {
    /// Nothing: frames follow at once.
    Nothing,
    /// A WebSocket handshake; socket `i` uses `tokens[i]`.
    WebSocket { host: String, path: String, tokens: Vec<String> },
}

/// Counters that other threads may read while the sockets run.
#[derive(Default)]
pub(crate) struct Counters {
    open: AtomicUsize,
    received: AtomicU64,
}

impl Counters {
    /// Sockets open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Messages of the current run received by all sockets.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    pub(crate) fn set_received(&self, count: u64) {
        self.received.store(count, Ordering::Release);
    }
}

/// What the sockets of the thread share.
pub(super) struct Local {
    pub(super) clock: Clock,
    pub(super) buffer: RefCell<Box<[u8]>>,
    pub(super) recorder: RefCell<Recorder>,
    plan: Plan,
    counters: Arc<Counters>,
    ends: RefCell<BTreeMap<String, u64>>,
}

impl Local {
    pub(super) fn publish_count(&self, received: u64) {
        self.counters.set_received(received);
    }
}

enum Command {
    Open { until: usize, done: oneshot::Sender<Result<()>> },
    Record { run: RunId, from: u64, done: oneshot::Sender<()> },
    Tally { done: oneshot::Sender<(Tally, BTreeMap<String, u64>)> },
}

/// The handle; dropping it closes all sockets.
pub(crate) struct Fleet {
    commands: mpsc::Sender<Command>,
    counters: Arc<Counters>,
    thread: thread::JoinHandle<()>,
}

impl Fleet {
    /// Starts the thread; no socket is opened yet.
    pub(crate) fn start(plan: Plan, clock: Clock) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let (commands, inbox) = mpsc::channel(4);
        let thread = thread::Builder::new().name("sockets".into()).spawn(move || {
            let local = Rc::new(Local {
                clock,
                buffer: RefCell::new(vec![0; 64 * 1024].into()),
                recorder: RefCell::new(Recorder::default()),
                plan,
                counters: shared,
                ends: RefCell::default(),
            });
            let tasks = LocalSet::new();
            runtime.block_on(tasks.run_until(serve(inbox, local)));
        })?;
        Ok(Self { commands, counters, thread })
    }

    /// Opens sockets until there are `until` of them; the first failure ends it.
    pub(crate) async fn open(&self, until: usize) -> Result<()> {
        self.ask(|done| Command::Open { until, done }).await?
    }

    /// Starts counting afresh: only messages of `run`, and latency only of those meant to be sent
    /// at `from` nanoseconds of the clock or later.
    pub(crate) async fn record(&self, run: RunId, from: u64) -> Result<()> {
        self.ask(|done| Command::Record { run, from, done }).await
    }

    /// What was received since `record`, and how many sockets ended, by reason.
    pub(crate) async fn tally(&self) -> Result<(Tally, BTreeMap<String, u64>)> {
        self.ask(|done| Command::Tally { done }).await
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Closes all sockets and waits until they are gone.
    pub(crate) async fn close(self) -> Result<()> {
        drop(self.commands);
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        ended.map_err(|_| anyhow!("the sockets' thread panicked"))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T> {
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).await.ok().context("the sockets' thread is gone")?;
        answer.await.context("the sockets' thread is gone")
    }
}

async fn serve(mut inbox: mpsc::Receiver<Command>, local: Rc<Local>) {
    let mut opened = 0;
    // A receiver that went away was cancelled together with its question.
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Open { until, done } => {
                let result = open(opened..until, &local).await;
                opened = opened.max(until);
                done.send(result).ok();
            }
            Command::Record { run, from, done } => {
                *local.recorder.borrow_mut() = Recorder::new(run, from, opened);
                local.publish_count(0);
                done.send(()).ok();
            }
            Command::Tally { done } => {
                let tally = local.recorder.borrow().tally();
                done.send((tally, local.ends.borrow().clone())).ok();
            }
        }
    }
}

async fn open(range: std::ops::Range<usize>, local: &Rc<Local>) -> Result<()> {
    let mut connecting = JoinSet::new();
    let mut next = range.start;
    while next < range.end || !connecting.is_empty() {
        while next < range.end && connecting.len() < HANDSHAKES {
            let (index, local) = (next, Rc::clone(local));
            connecting.spawn_local(async move {
                let connected = socket::connect(index, &local.plan).await;
                connected.map(|(stream, rest)| (index, stream, rest))
            });
            next += 1;
        }
        if let Some(joined) = connecting.join_next().await {
            let (index, stream, rest) = joined??;
            local.counters.opened();
            tokio::task::spawn_local(run(index, stream, rest, Rc::clone(local)));
        }
    }
    Ok(())
}

async fn run(index: usize, stream: tokio::net::TcpStream, rest: Vec<u8>, local: Rc<Local>) {
    let end = socket::receive(index, stream, rest, Rc::clone(&local)).await;
    local.counters.closed();
    *local.ends.borrow_mut().entry(end.reason()).or_default() += 1;
}
