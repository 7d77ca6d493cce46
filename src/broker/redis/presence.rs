//! Who is connected where, over all replicas, exact to the last change that was told.
//!
//! Changes go out in batches of absolute counts. A replica that falls silent is taken out of the books by
//! any other; one that was only paused, or whose Redis lost its data, notices and tells everything anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Script;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::bus::Probes;
use super::commands::Commands;
use super::connect::Node;
use super::slots::slot;
use crate::broker::{Away, Claim, Interest};
use crate::notification::UserId;

/// Users in one call of the script; it takes Redis about 1 ms.
const BATCH: usize = 512;
/// Pause between batches of changes that nobody waits for.
const RELAXED: Duration = Duration::from_millis(100);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Silence after which a replica is dead, in milliseconds.
const DEAD_AFTER: u64 = 12_000;
/// Handshakes that may wait for their count at a time; beyond it the local count stands in.
const MAX_CLAIMS: usize = 65_536;

/// Where handshakes ask for their user's count.
pub(super) struct Registrar {
    claims: mpsc::Sender<Ask>,
}

enum Ask {
    Claim { user: UserId, answer: oneshot::Sender<Claim> },
    Stop { done: oneshot::Sender<()> },
}

impl Registrar {
    pub(super) async fn claim(&self, user: &UserId) -> Claim {
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Claim { user: user.clone(), answer };
        if self.claims.try_send(ask).is_ok()
            && let Ok(claim) = answered.await
        {
            return claim;
        }
        Claim { elsewhere: 0 }
    }

    pub(super) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.claims.send(Ask::Stop { done }).await.is_ok() {
            stopped.await.ok();
        }
    }
}

pub(super) struct Presence {
    commands: Arc<Commands>,
    replica: String,
    interest: Arc<dyn Interest>,
    probes: Arc<Probes>,
    asks: mpsc::Receiver<Ask>,
    waiting: HashMap<UserId, Vec<oneshot::Sender<Claim>>>,
    /// Changes that could not be told yet.
    untold: HashMap<UserId, usize>,
    set: Arc<Script>,
    heartbeat: Arc<Script>,
    bury: Arc<Script>,
    probe: u64,
    /// Number of the link since which nothing told can have been lost, and who has had the books since.
    told_since: (u64, Option<Node>),
}

impl Presence {
    pub(super) fn new(
        commands: Arc<Commands>,
        replica: String,
        interest: Arc<dyn Interest>,
        probes: Arc<Probes>,
    ) -> (Self, Registrar) {
        let (claims, asks) = mpsc::channel(MAX_CLAIMS);
        let registrar = Registrar { claims };
        let presence = Self {
            commands,
            replica,
            interest,
            probes,
            asks,
            waiting: HashMap::new(),
            untold: HashMap::new(),
            set: Arc::new(Script::new(include_str!("scripts/presence.lua"))),
            heartbeat: Arc::new(Script::new(include_str!("scripts/heartbeat.lua"))),
            bury: Arc::new(Script::new(include_str!("scripts/bury.lua"))),
            probe: 0,
            told_since: (1, None),
        };
        (presence, registrar)
    }

    pub(super) async fn run(mut self) {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let interest = self.interest.clone();
        let mut rested = Instant::now();
        // Before the first count: what is told by a replica that nobody knows of, nobody would bury.
        self.beat().await;
        loop {
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    None => return,
                    Some(ask) => {
                        let stop = self.take(ask);
                        self.tell().await;
                        if let Some(done) = stop {
                            self.bury(&self.replica, 0).await;
                            done.send(()).ok();
                            return;
                        }
                    }
                },
                () = rest(&*interest, rested) => {
                    rested = Instant::now() + RELAXED;
                    self.tell().await;
                }
                _ = beat.tick() => self.beat().await,
            }
        }
    }

    /// Takes this and what else has arrived by now; whom to tell when it was the last word.
    fn take(&mut self, first: Ask) -> Option<oneshot::Sender<()>> {
        let mut next = Some(first);
        while let Some(ask) = next {
            match ask {
                Ask::Claim { user, answer } => {
                    self.waiting.entry(user).or_default().push(answer);
                }
                Ask::Stop { done } => return Some(done),
            }
            next = if self.waiting.len() < BATCH { self.asks.try_recv().ok() } else { None };
        }
        None
    }

    /// Tells every change, and answers who waits.
    async fn tell(&mut self) {
        self.untold.extend(self.interest.recounted());
        for user in self.waiting.keys() {
            let count = self.interest.connections_of(user.as_str());
            self.untold.insert(user.clone(), count);
        }
        while !self.untold.is_empty() {
            let batch: Vec<(UserId, usize)> = self
                .untold
                .iter()
                .take(BATCH)
                .map(|(user, count)| (user.clone(), *count))
                .collect();
            match self.set(&batch).await {
                Ok(totals) => {
                    for ((user, here), total) in batch.iter().zip(totals) {
                        self.untold.remove(user);
                        self.answer(user, total.saturating_sub(*here as u64));
                    }
                }
                Err(away) => {
                    tracing::debug!(%away, "presence is told later");
                    self.answer_alone();
                    return sleep(RELAXED).await;
                }
            }
        }
    }

    async fn set(&self, batch: &[(UserId, usize)]) -> Result<Vec<u64>, Away> {
        let channels = &self.commands.channels;
        let keys = [
            channels.presence_users(),
            channels.presence_total(),
            channels.presence_replica(&self.replica),
        ];
        let arguments: Vec<String> = batch
            .iter()
            .flat_map(|(user, count)| [user.as_str().to_owned(), count.to_string()])
            .collect();
        let totals: Vec<i64> =
            self.commands.script("presence", &self.set, &keys, &arguments).await?;
        Ok(totals.into_iter().map(|total| total.max(0).unsigned_abs()).collect())
    }

    fn answer(&mut self, user: &UserId, elsewhere: u64) {
        for answer in self.waiting.remove(user).unwrap_or_default() {
            // The handshake may have been given up.
            answer.send(Claim { elsewhere }).ok();
        }
    }

    /// Redis is away: this replica's own counts have to do.
    fn answer_alone(&mut self) {
        for answer in std::mem::take(&mut self.waiting).into_values().flatten() {
            answer.send(Claim { elsewhere: 0 }).ok();
        }
    }

    async fn beat(&mut self) {
        // Behind a new link may be a Redis with older data: a restored one, or a promoted copy.
        let (link, keeper) = (self.probes.links(), self.keeper().await);
        let (told_on, told_to) = &self.told_since;
        let is_another = told_to.is_some() && keeper.is_some() && keeper != *told_to;
        if link > *told_on || is_another {
            if !self.bury(&self.replica, 0).await {
                return;
            }
            self.told_since = (link, keeper);
        } else if told_to.is_none() {
            self.told_since.1 = keeper;
        }
        let keys = [self.commands.channels.presence_replicas()];
        let arguments = [self.replica.clone(), DEAD_AFTER.to_string()];
        let answer: Result<(u8, Vec<String>), Away> =
            self.commands.script("heartbeat", &self.heartbeat, &keys, &arguments).await;
        let Ok((unknown, dead)) = answer else { return };
        if unknown == 1 {
            self.interest.recount_all();
            self.tell().await;
        }
        for replica in dead {
            tracing::info!(replica, "forgetting a replica that has fallen silent");
            self.bury(&replica, DEAD_AFTER).await;
        }
        self.probe += 1;
        if self.commands.probe(&self.replica, self.probe).await.is_ok() {
            self.probes.published.store(self.probe, Ordering::Relaxed);
        }
    }

    /// The master that has the books.
    async fn keeper(&self) -> Option<Node> {
        let map = self.commands.nodes.map().await.ok()?;
        map.owner(slot(&self.commands.channels.presence_users())).cloned()
    }

    /// Tells whether it was done to the end.
    async fn bury(&self, replica: &str, dead_after: u64) -> bool {
        let channels = &self.commands.channels;
        // One that was being buried has its other name already.
        let other = if replica.ends_with('~') { replica.to_owned() } else { format!("{replica}~") };
        let keys = [
            channels.presence_replicas(),
            channels.presence_users(),
            channels.presence_total(),
            channels.presence_replica(replica),
            channels.presence_replica(&other),
        ];
        let arguments =
            [replica.to_owned(), other.clone(), BATCH.to_string(), dead_after.to_string()];
        loop {
            match self.commands.script("presence", &self.bury, &keys, &arguments).await {
                Ok(1_u8) => {}
                answer => return answer.is_ok(),
            }
        }
    }
}

/// The pause since the last batch is over, and something has changed.
async fn rest(interest: &dyn Interest, not_before: Instant) {
    tokio::time::sleep_until(not_before).await;
    interest.recount().notified().await;
}
