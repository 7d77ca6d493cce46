//! Asking for the channels of slots where their masters are, and leaving them.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::time::timeout;

use super::bus::{Bus, MAX_UNCONFIRMED, SILENCE, SUBSCRIBE_BATCH};
use super::connect::{CONNECT_TIMEOUT, Node};
use super::shards::{Chore, Shards};
use super::slots::slot;
use crate::notification::UserId;

/// Channels by slot.
type Slots = BTreeMap<u16, Vec<String>>;

impl Bus {
    /// Asks for everything in open slots that can be asked for, and links to the others' masters.
    pub(super) async fn pursue(&mut self, shards: &mut Shards) {
        if !shards.places.any_open() {
            return;
        }
        let users = self.forget_open(shards);
        let users = users.iter().map(|user| self.channels.user(user.as_str()));
        let (mut asks, mut waiting) = (HashMap::<Node, Slots>::new(), HashSet::new());
        let mut far = HashSet::new();
        for channel in self.own_channels().into_iter().chain(users) {
            let slot = slot(&channel);
            if !shards.places.is_open(slot) {
                continue;
            }
            match shards.map.owner(slot) {
                Some(node) if shards.wires.iter().any(|(known, _)| known == node) => {
                    asks.entry(node.clone()).or_default().entry(slot).or_default().push(channel);
                }
                owner => {
                    waiting.insert(slot);
                    far.extend(owner.cloned());
                }
            }
        }
        shards.places.close_unless(|slot| waiting.contains(&slot));
        for (node, slots) in &asks {
            for slot in slots.keys() {
                shards.places.put(*slot, node);
            }
        }
        for node in far {
            self.connect(shards, node);
        }
        for (node, slots) in asks {
            self.ask(shards, &node, slots).await;
        }
    }

    fn connect(&self, shards: &mut Shards, node: Node) {
        if !shards.connecting.insert(node.clone()) {
            return;
        }
        let nodes = self.nodes.clone();
        shards.chores.spawn(async move {
            let stream = match timeout(CONNECT_TIMEOUT, nodes.topology.door.connect(&node)).await {
                Ok(stream) => stream.map(Box::new).map_err(|error| error.to_string()),
                Err(_elapsed) => Err("connecting took too long".to_owned()),
            };
            Chore::Connected(node, stream)
        });
    }

    /// Subscribes at this node, and reads its confirmations whenever there are too many to come.
    async fn ask(&mut self, shards: &mut Shards, node: &Node, slots: Slots) {
        let mut batch = Vec::new();
        let mut size = 0;
        let mut slots = slots.into_iter().peekable();
        while let Some((slot, names)) = slots.next() {
            size += names.len();
            let mut parts = names.chunks(SUBSCRIBE_BATCH).map(|part| (slot, part.to_vec()));
            batch.extend(&mut parts);
            if size < SUBSCRIBE_BATCH && slots.peek().is_some() {
                continue;
            }
            size = 0;
            let Some(at) = shards.wires.iter().position(|(known, _)| known == node) else { return };
            let asked = shards.wires[at].1.of_slots(false, std::mem::take(&mut batch)).await;
            if let Err(why) = asked {
                return self.lose(shards, at, &why);
            }
            while let Some(wire) = shards.wire(node)
                && wire.unconfirmed > MAX_UNCONFIRMED
            {
                let read = timeout(SILENCE, wire.read()).await;
                let read = read
                    .unwrap_or_else(|_elapsed| Err(format!("nothing confirmed for {SILENCE:?}")));
                let Some(at) = shards.wires.iter().position(|(known, _)| known == node) else {
                    return;
                };
                self.attend(shards, at, read).await;
            }
        }
    }

    /// Subscribes to whom the hub has gained and leaves whom it has lost.
    pub(super) async fn follow_shards(&mut self, shards: &mut Shards) {
        let changes = self.interest.changes();
        let mut asks = HashMap::<Node, Slots>::new();
        let mut is_new = false;
        for user in &changes.wanted {
            let channel = self.channels.user(user.as_str());
            let slot = slot(&channel);
            let owner = shards.places.node(slot).or_else(|| shards.map.owner(slot));
            match owner {
                Some(node)
                    if !shards.places.is_open(slot)
                        && shards.wires.iter().any(|(known, _)| known == node) =>
                {
                    let node = node.clone();
                    shards.places.put(slot, &node);
                    asks.entry(node).or_default().entry(slot).or_default().push(channel);
                }
                _ => {
                    shards.places.reopen(slot);
                    is_new = true;
                }
            }
        }
        for (node, slots) in asks {
            self.ask(shards, &node, slots).await;
        }
        if is_new {
            self.pursue(shards).await;
        }
        let mut leaves = HashMap::<Node, Slots>::new();
        for user in &changes.unwanted {
            self.metrics.redis_subscriptions.dec();
            self.doubted.remove(user.as_str());
            let channel = self.channels.user(user.as_str());
            let slot = slot(&channel);
            if let Some(node) = shards.places.node(slot) {
                let slots = leaves.entry(node.clone()).or_default();
                slots.entry(slot).or_default().push(channel);
            }
        }
        for (node, slots) in leaves {
            let Some(at) = shards.wires.iter().position(|(known, _)| *known == node) else {
                continue;
            };
            if let Err(why) = shards.wires[at].1.of_slots(true, slots).await {
                self.lose(shards, at, &why);
            }
        }
    }

    /// No user in an open slot is subscribed; who these are.
    pub(super) fn forget_open(&mut self, shards: &Shards) -> Vec<UserId> {
        // Not simply everyone: whom the hub names here it does not name as wanted, and nobody would ask for
        // those in other slots.
        let is_open = |user: &str| shards.places.is_open(slot(&self.channels.user(user)));
        let users = self.interest.those(&is_open);
        for user in &users {
            self.forget(user.as_str());
        }
        users
    }

    pub(super) fn forget(&mut self, user: &str) {
        if self.interest.lost(user) {
            self.metrics.redis_subscriptions.dec();
            self.doubted.insert(user.to_owned());
        }
    }
}
