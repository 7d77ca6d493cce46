use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Until when a mail is this process's to send, as far as it knows without asking. Looked at before the words that
/// cannot be taken back, so that a process that was frozen for longer sends nothing that another one has sent.
#[derive(Debug)]
pub(super) struct Grip(Mutex<Instant>);

impl Grip {
    /// `asked`: from before the broker was asked.
    pub(super) fn new(asked: Instant, lasts: Duration) -> Self {
        Self(Mutex::new(asked + lasts))
    }

    pub(super) fn renew(&self, asked: Instant, lasts: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked + lasts;
    }

    pub(super) fn holds(&self) -> bool {
        Instant::now() < *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
