//! What the broker has to be subscribed to: derived from the hub, never the other way round.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Hub, LINGER};
use crate::broker::{self, Changes};
use crate::notification::UserId;

/// Changes not yet taken by the broker. Each list has at most one item per join or leave since then, and
/// the broker takes them every few milliseconds, with or without a link.
#[derive(Default)]
pub struct Interest {
    changes: Mutex<Changes>,
    idle: Mutex<VecDeque<(Instant, UserId)>>,
    counted: Mutex<Vec<UserId>>,
    /// Users whose log has to be read; each at most once.
    doubts: Mutex<VecDeque<UserId>>,
    wanted: Notify,
    recount: Notify,
    doubted: Notify,
}

impl Interest {
    pub(super) fn want(&self, user: UserId) {
        lock(&self.changes).wanted.push(user);
        self.wanted.notify_one();
    }

    pub(super) fn idle(&self, user: UserId, since: Instant) {
        lock(&self.idle).push_back((since + LINGER, user));
    }

    pub(super) fn counted(&self, user: UserId) {
        lock(&self.counted).push(user);
        self.recount.notify_one();
    }

    pub(super) fn doubt(&self, user: UserId) {
        lock(&self.doubts).push_back(user);
        self.doubted.notify_one();
    }

    pub(super) fn doubted(&self) -> &Notify {
        &self.doubted
    }

    pub(super) fn next_doubt(&self) -> Option<UserId> {
        lock(&self.doubts).pop_front()
    }

    pub(super) fn doubts(&self) -> usize {
        lock(&self.doubts).len()
    }

    /// Users whose linger has ended by `now`.
    fn expired(&self, now: Instant) -> Vec<UserId> {
        let mut idle = lock(&self.idle);
        let due = idle.iter().take_while(|(deadline, _)| *deadline <= now).count();
        idle.drain(..due).map(|(_, user)| user).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn changes_at(&self, now: Instant) -> Changes {
        let mut changes = std::mem::take(&mut *lock(&self.interest.changes));
        let link = self.link.load(Ordering::Acquire);
        changes.wanted.retain(|user| {
            let mut shard = self.shard(user.as_str());
            shard
                .get_mut(user)
                .is_some_and(|entry| std::mem::replace(&mut entry.asked, link) != link)
        });
        for user in self.interest.expired(now) {
            let mut shard = self.shard(user.as_str());
            let Some(entry) = shard.get(&user) else { continue };
            if entry.idle_since.is_none_or(|since| since + LINGER > now) {
                continue;
            }
            if entry.confirmed == link {
                shard.remove(&user);
                changes.unwanted.push(user);
            } else {
                // Its confirmation is still to come, and must not be taken for that of a later entry.
                self.interest.idle(user, now);
            }
        }
        changes
    }
}

impl broker::Interest for Hub {
    fn link_up(&self) {
        let link = self.links.fetch_add(1, Ordering::Relaxed) + 1;
        // What was wanted so far is part of `everyone`, which the broker asks for next.
        lock(&self.interest.changes).wanted.clear();
        self.link.store(link, Ordering::Release);
    }

    fn link_down(&self) {
        self.link.store(0, Ordering::Release);
    }

    fn those(&self, is_meant: &dyn Fn(&str) -> bool) -> Vec<UserId> {
        let link = self.link.load(Ordering::Acquire);
        let mut users = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (user, entry) in shard.iter_mut().filter(|(user, _)| is_meant(user.as_str())) {
                entry.asked = link;
                users.push(user.clone());
            }
        }
        users
    }

    fn changes(&self) -> Changes {
        self.changes_at(Instant::now())
    }

    fn wanted(&self) -> &Notify {
        &self.interest.wanted
    }

    fn confirmed(&self, user: &str) {
        let mut shard = self.shard(user);
        let Some(user) = shard.get_key_value(user).map(|(user, _)| user.clone()) else { return };
        let Some(entry) = shard.get_mut(&user) else { return };
        let link = self.link.load(Ordering::Acquire);
        let before = std::mem::replace(&mut entry.confirmed, link);
        // What was published since an earlier link, or since the channel was lost on this one, was not heard.
        let was_heard = before != 0 || entry.place.is_known();
        if was_heard && before != link && entry.place.doubt() {
            self.interest.doubt(user);
        }
        for confirm in std::mem::take(&mut entry.waiting) {
            // Whoever waited may have given up.
            confirm.send(()).ok();
        }
    }

    fn lost(&self, user: &str) -> bool {
        let mut shard = self.shard(user);
        let Some(entry) = shard.get_mut(user) else { return false };
        std::mem::take(&mut entry.confirmed) != 0
    }

    fn recounted(&self) -> Vec<(UserId, usize)> {
        let mut users = std::mem::take(&mut *lock(&self.interest.counted));
        users.sort_unstable();
        users.dedup();
        users
            .into_iter()
            .map(|user| {
                let count = self.connections_of(user.as_str());
                (user, count)
            })
            .collect()
    }

    fn recount_all(&self) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            lock(&self.interest.counted).extend(shard.keys().cloned());
        }
        self.interest.recount.notify_one();
    }

    fn recount(&self) -> &Notify {
        &self.interest.recount
    }

    fn connections(&self) -> usize {
        Hub::connections(self)
    }

    fn users(&self) -> usize {
        Hub::users(self)
    }

    fn connections_of(&self, user: &str) -> usize {
        Hub::connections_of(self, user)
    }
}
