//! The bus with sharded pub/sub: a link to every master that has a channel of ours. A slot that moves, or a
//! master that dies, costs the other links nothing.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::bus::{
    Bus, COALESCE, COMPLAIN_EVERY, MAX_BACKOFF, MISSING_PROBES, PROBE_INTERVAL, SILENCE, wanted,
};
use super::channels::Heard;
use super::connect::{Node, Stream};
use super::places::Places;
use super::slots::{Map, slot};
use super::wire::{Ended, Wire};
use crate::broker::Away;
use crate::notification::Target;

/// The first pause after a failure; each that follows is twice as long.
const MIN_BACKOFF: Duration = Duration::from_millis(50);

/// What one replica is linked to.
pub(super) struct Shards {
    pub(super) map: Arc<Map>,
    pub(super) wires: Vec<(Node, Wire)>,
    pub(super) places: Places,
    pub(super) chores: JoinSet<Chore>,
    pub(super) connecting: HashSet<Node>,
    is_looking: bool,
    /// When to find out anew who the masters are.
    look_at: Option<Instant>,
    backoff: Duration,
    complained: Option<Instant>,
    turn: usize,
    /// A link was lost since all was subscribed.
    is_broken: bool,
}

/// What must not hold up reading.
pub(super) enum Chore {
    /// It was found out who the masters are, or not.
    Looked,
    Connected(Node, Result<Box<Stream>, Ended>),
}

impl Shards {
    fn new(map: Arc<Map>) -> Self {
        Self {
            map,
            wires: Vec::new(),
            places: Places::open(),
            chores: JoinSet::new(),
            connecting: HashSet::new(),
            is_looking: false,
            look_at: None,
            backoff: MIN_BACKOFF,
            complained: None,
            turn: 0,
            is_broken: false,
        }
    }

    fn look_within(&mut self, pause: Duration) {
        let at = Instant::now() + pause.mul_f64(fastrand::f64());
        self.look_at = Some(self.look_at.map_or(at, |sooner| sooner.min(at)));
    }

    fn failed(&mut self, node: &Node, why: &str) {
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                redis = %node,
                reason = why,
                "not subscribed to a part of Redis; sockets stay open, trying again"
            );
        }
        self.look_within(self.backoff);
        self.back_off();
    }

    fn back_off(&mut self) {
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
    }

    pub(super) fn wire(&mut self, node: &Node) -> Option<&mut Wire> {
        self.wires.iter_mut().find(|(known, _)| known == node).map(|(_, wire)| wire)
    }
}

impl Bus {
    /// Hears for ever, once it is known who the masters are.
    pub(super) async fn hear_shards(&mut self) -> Ended {
        let nodes = self.nodes.clone();
        let map = async { nodes.refresh(&nodes.map().await?).await };
        let mut shards = match map.await {
            Ok(map) => Shards::new(map),
            Err(Away(why)) => return why,
        };
        self.interest.link_up();
        self.probes.start_over();
        let mut maps = nodes.watch();
        maps.mark_changed();
        let mut tick = tokio::time::interval(PROBE_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let interest = self.interest.clone();
        let mut coalesced = Instant::now();
        loop {
            tokio::select! {
                (at, read) = heard(&mut shards.wires, &mut shards.turn) => {
                    self.attend(&mut shards, at, read).await;
                }
                Some(Ok(chore)) = shards.chores.join_next() => self.done(&mut shards, chore).await,
                () = until(shards.look_at), if !shards.is_looking => {
                    shards.look_at = None;
                    shards.is_looking = true;
                    let (nodes, map) = (nodes.clone(), shards.map.clone());
                    shards.chores.spawn(async move {
                        if let Err(Away(why)) = nodes.refresh(&map).await {
                            tracing::debug!(why, "who the masters are cannot be found");
                        }
                        Chore::Looked
                    });
                }
                Ok(()) = maps.changed() => {
                    shards.map = maps.borrow_and_update().clone();
                    self.redraw(&mut shards).await;
                }
                () = wanted(&*interest, coalesced) => {
                    coalesced = Instant::now() + COALESCE;
                    self.follow_shards(&mut shards).await;
                }
                _ = tick.tick() => {
                    self.prove(&mut shards).await;
                    self.follow_shards(&mut shards).await;
                }
            }
            self.note_whether_complete(&mut shards);
        }
    }

    async fn done(&mut self, shards: &mut Shards, chore: Chore) {
        match chore {
            Chore::Looked => {
                shards.is_looking = false;
                shards.map = self.nodes.watch().borrow().clone();
                self.redraw(shards).await;
                if shards.places.any_open() && shards.connecting.is_empty() {
                    shards.look_within(shards.backoff);
                    shards.back_off();
                }
            }
            Chore::Connected(node, connected) => {
                shards.connecting.remove(&node);
                let linked = async {
                    let mut wire = Wire::new(*connected?, true);
                    wire.introduce(self.nodes.topology.door.credentials()).await?;
                    Ok::<_, Ended>(wire)
                };
                match linked.await {
                    Ok(wire) => {
                        shards.wires.push((node, wire));
                        self.pursue(shards).await;
                    }
                    Err(why) => shards.failed(&node, &why),
                }
            }
        }
    }

    /// Takes the map as it is now.
    async fn redraw(&mut self, shards: &mut Shards) {
        if shards.places.compare(&shards.map) {
            let places = &shards.places;
            for (node, wire) in &mut shards.wires {
                wire.void(|slot| !places.is_at(slot, node));
            }
            self.forget_open(shards);
        }
        let map = &shards.map;
        shards.wires.retain(|(node, _)| map.masters().contains(node));
        self.pursue(shards).await;
    }

    /// What was read on a link.
    pub(super) async fn attend(&mut self, shards: &mut Shards, at: usize, read: Result<(), Ended>) {
        let Some((node, wire)) = shards.wires.get_mut(at) else { return };
        let digested = match read {
            Ok(()) => self.digest(wire).await,
            ended => ended,
        };
        if let Err(why) = digested {
            return self.lose(shards, at, &why);
        }
        let lost = wire.shard.as_mut().map(|shard| std::mem::take(&mut shard.lost));
        let mut found = false;
        for channel in lost.unwrap_or_default() {
            let slot = slot(&channel);
            // Left where it was found out already that it is elsewhere, or where nobody cares any more.
            if !shards.places.is_at(slot, node) && !shards.places.is_open(slot) {
                continue;
            }
            shards.places.reopen(slot);
            found = true;
            if let Heard::Published(Target::User(user)) = self.channels.heard(&channel) {
                self.forget(user);
            }
        }
        if found {
            // At once at first: most moves are told to all nodes before to us.
            shards.look_within(shards.backoff.saturating_sub(MIN_BACKOFF));
            shards.back_off();
        }
    }

    /// A link has ended.
    pub(super) fn lose(&mut self, shards: &mut Shards, at: usize, why: &str) {
        let (node, _) = shards.wires.swap_remove(at);
        if !shards.places.leave(&node) {
            return;
        }
        shards.is_broken = true;
        self.link.set(false);
        self.metrics.redis_connected.set(0);
        self.metrics.redis_reconnects.inc();
        shards.failed(&node, why);
        self.forget_open(shards);
    }

    /// Proves every link alive, and that this replica is heard by itself.
    async fn prove(&mut self, shards: &mut Shards) {
        let probe = slot(&self.channels.probe(&self.replica));
        let is_deaf = self.probes.missing() > MISSING_PROBES;
        if is_deaf {
            self.probes.forgive();
        }
        let mut at = 0;
        while let Some((node, wire)) = shards.wires.get_mut(at) {
            let proved = if wire.asked.is_some_and(|asked| asked.elapsed() > SILENCE) {
                Err(format!("nothing heard for {SILENCE:?}"))
            } else if is_deaf && shards.places.is_at(probe, node) {
                Err("probes are published but not heard".to_owned())
            } else {
                wire.asked.get_or_insert_with(Instant::now);
                wire.send(&[b"PING"]).await
            };
            match proved {
                Ok(()) => at += 1,
                Err(why) => self.lose(shards, at, &why),
            }
        }
    }

    fn note_whether_complete(&mut self, shards: &mut Shards) {
        let is_complete = !shards.places.any_open()
            && !shards.wires.is_empty()
            && shards.wires.iter().all(|(_, wire)| wire.unconfirmed == 0);
        if is_complete {
            shards.backoff = MIN_BACKOFF;
        }
        if !is_complete || self.link.is_up() {
            return;
        }
        if std::mem::take(&mut shards.is_broken) {
            // Behind the new link may be a copy that is not up to date.
            self.probes.start_over();
        }
        shards.complained = None;
        self.is_complete();
    }
}

/// The next link on which something is to be read; each in its turn.
async fn heard(wires: &mut [(Node, Wire)], turn: &mut usize) -> (usize, Result<(), Ended>) {
    poll_fn(|context| {
        for n in 0..wires.len() {
            let at = (*turn + n) % wires.len();
            // Dropped at once when there is nothing: a read that has read nothing leaves nothing behind.
            if let Poll::Ready(read) = pin!(wires[at].1.read()).poll(context) {
                *turn = at + 1;
                return Poll::Ready((at, read));
            }
        }
        Poll::Pending
    })
    .await
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
