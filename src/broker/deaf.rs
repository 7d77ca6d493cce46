//! For a process that publishes and has no sockets: it wants to hear nobody, and passes nothing on.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::Notify;

use super::{Captured, Changes, Emitted, Interest, Logged, Sink, log};
use crate::notification::{Invalid, Target, UserId};

/// An [`Interest`] in nobody. The link then carries no notification of a user, and still shows whether what is
/// published would be heard.
#[derive(Debug, Default)]
pub struct Nobody {
    never: Notify,
}

impl Interest for Nobody {
    fn link_up(&self) {}

    fn link_down(&self) {}

    fn those(&self, _is_meant: &dyn Fn(&str) -> bool) -> Vec<UserId> {
        Vec::new()
    }

    fn changes(&self) -> Changes {
        Changes::default()
    }

    fn wanted(&self) -> &Notify {
        &self.never
    }

    fn confirmed(&self, _user: &str) {}

    fn lost(&self, _user: &str) -> bool {
        false
    }

    fn recounted(&self) -> Vec<(UserId, usize)> {
        Vec::new()
    }

    fn recount_all(&self) {}

    fn recount(&self) -> &Notify {
        &self.never
    }

    fn connections(&self) -> usize {
        0
    }

    fn users(&self) -> usize {
        0
    }

    fn connections_of(&self, _user: &str) -> usize {
        0
    }
}

/// A [`Sink`] that drops what is said to everyone, and to replicas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence;

impl Sink for Silence {
    fn receive(&mut self, _target: Target<'_>, _channel: &str, _payload: &[u8]) {}

    fn logged(&mut self, _logged: &Logged<'_>) {}

    fn captured(&mut self, _captured: &Captured<'_>) {}

    fn changed(&mut self, _user: &str, _change: &log::Change<'_>, _count: log::Count) {}

    fn oversized(&mut self, _target: Target<'_>) {}

    fn emitted(&mut self, _emitted: &Emitted<'_>) {}

    fn misunderstood(&mut self, _reason: Invalid) {}

    fn flush(&mut self) {}

    fn relief(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }

    fn doubt(&mut self, _user: &str) {}

    fn disconnect(&mut self, _user: &str) {}
}
