//! Keeps plain notifications of users who are connected nowhere. Two replicas at a time listen to all user
//! channels, each on a connection of its own: the leader appends what nobody has appended for a moment, the
//! standby what the leader has not appended either.

mod fresh;
mod hearing;
mod held;
mod lease;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::commands::Commands;
use super::nodes::Nodes;
use super::wire::{Ended, Wire};
use crate::broker::Record;
use crate::telemetry::Metrics;
use hearing::Hearing;
use lease::{LASTS, Leases, Role};

/// How often a lease is renewed and the link proved alive; and how often the others look for a free one.
const BEAT: Duration = Duration::from_secs(2);
/// Replicas that hear of a vacancy look for it within this, so that the first spares the rest the way.
const SPREAD: Duration = Duration::from_millis(100);
/// Pause between two looks at what was heard, unless there is much: a look at one message costs as much as
/// at ten, and nobody waits for it.
const PACE: Duration = Duration::from_millis(5);
/// Bytes that are much.
const MUCH: usize = 16 * 1024;
/// A link on which nothing was heard for this long after it was asked is dead.
const SILENCE: Duration = Duration::from_secs(5);
/// Longest pause between attempts to connect; the first is a tenth of it.
const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// An outage is logged when it begins, and then this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
/// How long what is held may take to be appended when this replica stops.
const LAST_APPENDS: Duration = Duration::from_millis(1500);

/// Ends the listening in good order.
pub(super) struct Handle {
    stop: mpsc::Sender<oneshot::Sender<()>>,
}

impl Handle {
    /// Returns when what was held is appended and the lease given back.
    pub(super) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.stop.send(done).await.is_ok() {
            stopped.await.ok();
        }
    }
}

/// What a [`Capture`] needs to know.
pub(super) struct Parts {
    pub(super) commands: Arc<Commands>,
    pub(super) replica: String,
    pub(super) recorder: Arc<dyn Record>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) max_payload_bytes: usize,
    /// Told when another replica gave its lease back.
    pub(super) vacancy: Arc<Notify>,
}

struct Capture {
    nodes: Arc<Nodes>,
    patterns: Vec<String>,
    replica: String,
    leases: Leases,
    recorder: Arc<dyn Record>,
    vacancy: Arc<Notify>,
    hearing: Hearing,
    role: Option<Role>,
    renewed: Instant,
}

/// Starts on the current runtime, for ever or until it is stopped.
pub(super) fn start(parts: Parts) -> Handle {
    let Parts { commands, replica, recorder, metrics, .. } = parts;
    let (nodes, channels) = (commands.nodes.clone(), commands.channels.clone());
    let (stop, stops) = mpsc::channel(1);
    let capture = Capture {
        nodes,
        patterns: std::iter::once(channels.every_user()).chain(channels.every_room()).collect(),
        leases: Leases::new(commands, replica.clone()),
        replica,
        recorder: recorder.clone(),
        vacancy: parts.vacancy,
        hearing: Hearing::new(channels, recorder, metrics, parts.max_payload_bytes),
        role: None,
        renewed: Instant::now(),
    };
    tokio::spawn(capture.run(stops));
    Handle { stop }
}

impl Capture {
    async fn run(mut self, mut stops: mpsc::Receiver<oneshot::Sender<()>>) {
        let done = tokio::select! {
            never = self.listen() => match never {},
            done = stops.recv() => done,
        };
        self.hearing.release_all();
        if timeout(LAST_APPENDS, self.recorder.settled()).await.is_err() {
            tracing::warn!("not everything that was published plainly could be kept");
        }
        // Also if none is known of: one may have been taken in the call that was cut off.
        self.leases.give_back().await.ok();
        if let Some(done) = done {
            done.send(()).ok();
        }
    }

    async fn listen(&mut self) -> Infallible {
        let mut backoff = MAX_BACKOFF / 10;
        let mut complained = None;
        loop {
            if self.role.is_none() {
                self.vacant().await;
            }
            let started = Instant::now();
            let served = self.serve().await;
            // Whether somebody else hears what follows is uncertain; to append it twice is harmless.
            self.hearing.release_all();
            self.hearing.listens(false);
            let Err(ended) = served else { continue };
            if started.elapsed() > MAX_BACKOFF {
                backoff = MAX_BACKOFF / 10;
            }
            if complained.is_none_or(|at: Instant| at.elapsed() > COMPLAIN_EVERY) {
                complained = Some(Instant::now());
                let redis = &self.nodes.topology;
                tracing::warn!(%redis, reason = ended, "not listening to all users; trying again");
            }
            sleep(backoff.mul_f64(fastrand::f64())).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// Waits until a lease is free.
    async fn vacant(&self) {
        while !self.leases.any_free().await.unwrap_or(false) {
            tokio::select! {
                () = sleep(BEAT) => {}
                () = self.vacancy.notified() => {}
            }
            sleep(SPREAD.mul_f64(fastrand::f64())).await;
        }
    }

    /// One link; `Ok` when there is no lease for it (any more).
    async fn serve(&mut self) -> Result<(), Ended> {
        let (mut wire, node) = Wire::open(&self.nodes).await?;
        let mut map = self.nodes.watch();
        wire.subscribe_as("PSUBSCRIBE", self.patterns.iter().cloned()).await?;
        self.hearing.listens(true);
        // First to hear, then to hold: whoever has a lease listens.
        let confirmed = async {
            while wire.unconfirmed > 0 {
                wire.read().await?;
                self.hearing.understand(&mut wire)?;
            }
            Ok(())
        };
        timeout(SILENCE, confirmed)
            .await
            .unwrap_or_else(|_elapsed| Err(format!("nothing confirmed for {SILENCE:?}")))?;
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_look = Instant::now();
        loop {
            tokio::select! {
                read = paced(&mut wire, next_look) => {
                    read?;
                    if wire.buffer.len() < MUCH {
                        next_look = Instant::now() + PACE;
                    }
                    self.hearing.understand(&mut wire)?;
                    self.hearing.release_due();
                }
                _ = beat.tick() => {
                    if wire.asked.is_some_and(|asked| asked.elapsed() > SILENCE) {
                        return Err(format!("nothing heard for {SILENCE:?}"));
                    }
                    wire.send(&[b"PING"]).await?;
                    wire.asked.get_or_insert_with(Instant::now);
                    self.renew().await?;
                }
                _ = map.changed() => {
                    if !map.borrow_and_update().masters().contains(&node) {
                        return Err(format!("{node} is no master any more"));
                    }
                }
                () = self.vacancy.notified() => self.renew().await?,
                () = until(self.hearing.due()) => self.hearing.release_due(),
            }
            if self.role.is_none() {
                return Ok(());
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Ended> {
        match self.leases.hold().await {
            Ok(role) => {
                self.renewed = Instant::now();
                self.take(role);
            }
            Err(_) if self.role.is_some() && self.renewed.elapsed() < LASTS => {}
            Err(away) => {
                self.take(None);
                return Err(away.to_string());
            }
        }
        Ok(())
    }

    fn take(&mut self, role: Option<Role>) {
        self.hearing.role(role);
        if self.role == role {
            return;
        }
        self.role = role;
        let replica = &self.replica;
        match role {
            Some(Role::Leader) => tracing::info!(replica, "capturing for users who are offline"),
            Some(Role::Standby) => tracing::info!(replica, "standing by to capture"),
            None => tracing::info!(replica, "others capture now"),
        }
    }
}

async fn paced(wire: &mut Wire, not_before: Instant) -> Result<(), Ended> {
    sleep_until(not_before).await;
    wire.read().await
}

/// For ever, if there is no such moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
