//! The schedule of what is to be mailed. Appending an entry that names an address puts it there, atomically; an entry
//! that is taken to be mailed and neither taken out nor put back in time is due again, so that whoever dies with it
//! loses nothing.

use std::time::Duration;

use super::{Away, Broker};
use crate::notification::UserId;

/// One entry of a log that may have to be mailed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Due {
    /// Whose log.
    pub user: UserId,
    /// The id it is kept under, as text.
    pub id: String,
}

/// What is due now.
#[derive(Clone, Debug, Default)]
pub struct Peek {
    /// All of it, that of parts of the broker that did not answer left out.
    pub count: u64,
    /// Those that are due first, not necessarily all.
    pub first: Vec<Due>,
    /// Why `count` is not all.
    pub away: Option<Away>,
}

/// What came of looking at one that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is due no more, or somebody else is at it.
    Other,
    /// It was read, and is due no more.
    Read,
    /// It was deleted or trimmed, and is due no more.
    Gone,
    /// It is to be mailed.
    Unread,
}

/// What came of taking one that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// As when looking; never [`Look::Unread`].
    Not(Look),
    /// It is this caller's, until it is kept no longer.
    Yours(Ticket),
}

/// An entry that was taken to be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Proves to the broker who has it; changes with every [`Broker::hold_mail`].
    pub token: u64,
    /// When the entry was appended, in milliseconds since 1970 of the broker's clock.
    pub at: u64,
    /// As it was appended; what is missing is filled in by whoever reads it.
    pub payload: String,
}

/// How many that could not be mailed are remembered.
pub(super) const FAILED: usize = 1000;

impl Broker {
    /// Takes or renews the lease of the one replica that mails, which ends after `lasts`; zero gives it back.
    /// Who loses it while it mails does no harm, for what it has taken is still its own.
    pub async fn lead_mail(&self, replica: &str, lasts: Duration) -> Result<bool, Away> {
        match self {
            Self::Memory(_) => Ok(!lasts.is_zero()),
            Self::Redis(redis) => redis.mail().lead(replica, lasts).await,
        }
    }

    /// What is due.
    pub async fn peek_mail(&self) -> Result<Peek, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.peek_mail()),
            Self::Redis(redis) => redis.mail().peek().await,
        }
    }

    /// Looks at each, and takes from the schedule what is to be mailed no more.
    pub async fn look_at_mail(&self, dues: &[Due]) -> Result<Vec<Look>, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.look_at_mail(dues)),
            Self::Redis(redis) => redis.mail().look(dues).await,
        }
    }

    /// Looks at one and takes it for as long as `hold`; then it is due again.
    pub async fn take_mail(&self, due: &Due, hold: Duration) -> Result<Taken, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.take_mail(due, hold)),
            Self::Redis(redis) => redis.mail().take(due, hold).await,
        }
    }

    /// Keeps what was taken for `longer` from now on, or, to the same effect, has it due again after that.
    /// Answers the new token; `None`: it is somebody else's by now, or was mailed.
    pub async fn hold_mail(
        &self,
        due: &Due,
        token: u64,
        longer: Duration,
    ) -> Result<Option<u64>, Away> {
        match self {
            Self::Memory(memory) => Ok(memory.hold_mail(due, token, longer)),
            Self::Redis(redis) => redis.mail().hold(due, token, longer).await,
        }
    }

    /// Takes it from the schedule for good.
    pub async fn done_mail(&self, due: &Due) -> Result<(), Away> {
        match self {
            Self::Memory(memory) => {
                memory.done_mail(due);
                Ok(())
            }
            Self::Redis(redis) => redis.mail().done(due).await,
        }
    }

    /// Remembers, with the newest thousand, what could not be mailed, as the JSON `record`. The embedded broker
    /// does not.
    pub async fn failed_mail(&self, record: &str) -> Result<(), Away> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.mail().failed(record).await,
        }
    }
}
