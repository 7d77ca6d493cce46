//! One replica on its own: the same paths, without a server.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Census, Claim, Interest, Link, Sink};
use crate::notification::{Target, UserId};

/// The embedded broker.
pub struct Memory {
    interest: Arc<dyn Interest>,
    sink: Mutex<Box<dyn Sink>>,
    link: Link,
    channels: super::redis::Channels,
}

impl Memory {
    /// Starts confirming subscriptions on the current runtime.
    pub fn start(
        interest: Arc<dyn Interest>,
        sink: Box<dyn Sink>,
        channels: super::redis::Channels,
    ) -> Arc<Self> {
        let memory =
            Arc::new(Self { interest, sink: Mutex::new(sink), link: Link::default(), channels });
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

    pub(super) fn claim(&self, user: &UserId) -> Claim {
        Claim { total: self.connections_of(user), newest: 0 }
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

    fn with_sink<T>(&self, act: impl FnOnce(&mut dyn Sink) -> T) -> T {
        act(&mut **self.sink.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
