//! One replica on its own: the same paths, without a server.

mod log;
mod mail;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::log::{
    Appended, Ask, Change, Count, Entry, Item, Mark, Marked, Retention, Since, Summary,
};
use super::mail::{Due, Look, Peek, Taken};
use super::{Captured, Census, Interest, Link, Logged, Sink};
use crate::notification::{Target, UserId};
use log::Log;
use mail::Schedule;

/// How the sink is told of an entry: with its payload, or of its place.
type Tell = fn(&mut dyn Sink, &Logged<'_>, &Captured<'_>);

/// The embedded broker.
pub struct Memory {
    interest: Arc<dyn Interest>,
    sink: Mutex<Box<dyn Sink>>,
    link: Link,
    channels: super::redis::Channels,
    logs: Mutex<HashMap<UserId, Log>>,
    /// Locked after `logs`.
    schedule: Mutex<Schedule>,
    retention: Retention,
}

impl Memory {
    /// Starts confirming subscriptions on the current runtime.
    pub fn start(
        interest: Arc<dyn Interest>,
        sink: Box<dyn Sink>,
        channels: super::redis::Channels,
        retention: Retention,
    ) -> Arc<Self> {
        let memory = Arc::new(Self {
            interest,
            sink: Mutex::new(sink),
            link: Link::default(),
            channels,
            logs: Mutex::default(),
            schedule: Mutex::default(),
            retention,
        });
        memory.interest.link_up();
        for user in memory.interest.everyone() {
            memory.interest.confirmed(user.as_str());
        }
        memory.link.set(true);
        tokio::spawn(confirm(Arc::downgrade(&memory)));
        memory
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) async fn publish_all(&self, items: &[(Target<'_>, &str)]) -> Vec<u64> {
        for (target, payload) in items {
            let channel = self.channels.of(*target);
            self.with_sink(|sink| sink.receive(*target, &channel, payload.as_bytes()));
        }
        self.with_sink(Sink::flush);
        let relief = self.with_sink(|sink| sink.relief());
        if let Some(relief) = relief {
            relief.await;
        }
        vec![1; items.len()]
    }

    pub(super) fn census(&self) -> Census {
        Census {
            users: self.interest.users() as u64,
            connections: self.interest.connections() as u64,
        }
    }

    pub(super) fn connections_of(&self, user: &UserId) -> u64 {
        self.interest.connections_of(user.as_str()) as u64
    }

    pub(super) fn disconnect(&self, user: &UserId) {
        self.with_sink(|sink| sink.disconnect(user.as_str()));
    }

    pub(super) async fn append(&self, items: &[Item<'_>]) -> Vec<Appended> {
        self.append_all(items, |sink, logged, _| sink.logged(logged)).await
    }

    pub(super) async fn capture(&self, items: &[Item<'_>]) -> Vec<Appended> {
        self.append_all(items, |sink, _, captured| sink.captured(captured)).await
    }

    async fn append_all(&self, items: &[Item<'_>], tell: Tell) -> Vec<Appended> {
        let appended = items.iter().map(|item| self.append_one(item, tell)).collect();
        let relief = self.with_sink(|sink| {
            sink.flush();
            sink.relief()
        });
        if let Some(relief) = relief {
            relief.await;
        }
        appended
    }

    /// The log stays locked while the sink hears of it, so that all hear in the order of the log.
    fn append_one(&self, item: &Item<'_>, tell: Tell) -> Appended {
        let Item { user, id, payload } = *item;
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.entry(user.clone()).or_default();
        let before = log.newest();
        let appended = log.append(id, payload, self.retention, now());
        let Appended { is_new, cursor, count } = appended;
        if is_new {
            if let Some(after) = self.retention.mail_after
                && mail::has_address(payload)
            {
                let due = Due { user: user.clone(), id: id.to_owned() };
                self.schedule(|schedule| schedule.add(due, mail::later(cursor.at, after)));
            }
            let (user, payload) = (user.as_str(), payload.as_bytes());
            let logged = Logged { user, cursor, before, count, id, payload };
            let captured = Captured { user, cursor, before, count, id };
            self.with_sink(|sink| tell(sink, &logged, &captured));
        }
        appended
    }

    pub(super) fn mark(&self, user: &UserId, id: &str, mark: Mark) -> Marked {
        self.with_log(user, |log| {
            let (marked, changed) = log.mark(id, mark, now());
            if changed {
                self.tell(user, &Change::Marked { id, mark }, marked.count);
            }
            marked
        })
    }

    pub(super) fn mark_all(&self, user: &UserId) -> Count {
        self.with_log(user, |log| {
            let count = log.mark_all(now());
            self.tell(user, &Change::AllRead, count);
            count
        })
    }

    pub(super) fn summary(&self, user: &UserId) -> Summary {
        self.with_log(user, |log| log.summary(now()))
    }

    pub(super) fn list(
        &self,
        user: &UserId,
        before: u64,
        limit: usize,
        unread_only: bool,
    ) -> Vec<Entry> {
        self.with_log(user, |log| log.list(before, limit, unread_only))
    }

    pub(super) fn catch_up(&self, asks: &[Ask]) -> Vec<Since> {
        let now = now();
        asks.iter().map(|ask| self.with_log(&ask.user, |log| log.since(ask.start, now))).collect()
    }

    pub(super) fn peek_mail(&self) -> Peek {
        self.schedule(|schedule| schedule.peek(now()))
    }

    pub(super) fn look_at_mail(&self, dues: &[Due]) -> Vec<Look> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let look = |due: &Due| self.schedule(|all| all.look(due, logs.get(&due.user), now()));
        dues.iter().map(look).collect()
    }

    pub(super) fn take_mail(&self, due: &Due, hold: Duration) -> Taken {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        self.schedule(|schedule| schedule.take(due, logs.get(&due.user), now(), hold))
    }

    pub(super) fn hold_mail(&self, due: &Due, token: u64, longer: Duration) -> Option<u64> {
        self.schedule(|schedule| schedule.hold(due, token, now(), longer))
    }

    pub(super) fn done_mail(&self, due: &Due) {
        self.schedule(|schedule| schedule.remove(due));
    }

    fn schedule<T>(&self, act: impl FnOnce(&mut Schedule) -> T) -> T {
        act(&mut self.schedule.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, user: &UserId, change: &Change<'_>, count: Count) {
        self.with_sink(|sink| {
            sink.changed(user.as_str(), change, count);
            sink.flush();
        });
    }

    fn with_log<T>(&self, user: &UserId, act: impl FnOnce(&mut Log) -> T) -> T {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        match logs.get_mut(user) {
            Some(log) => act(log),
            // Asking about a user must not make one.
            None => act(&mut Log::default()),
        }
    }

    fn with_sink<T>(&self, act: impl FnOnce(&mut dyn Sink) -> T) -> T {
        act(&mut **self.sink.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// Nothing has to be asked of anyone, so whoever is wanted is confirmed.
async fn confirm(memory: std::sync::Weak<Memory>) {
    let Some(interest) = memory.upgrade().map(|memory| memory.interest.clone()) else { return };
    let mut sweep = tokio::time::interval(crate::hub::LINGER);
    while memory.strong_count() > 0 {
        for user in interest.changes().wanted {
            interest.confirmed(user.as_str());
        }
        interest.recounted();
        tokio::select! {
            () = interest.wanted().notified() => {}
            _ = sweep.tick() => {}
        }
    }
}
