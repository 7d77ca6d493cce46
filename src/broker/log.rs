//! The log of a user, as both brokers keep it: what was published, in order, until it is trimmed; which of
//! it is unread; and a count that is exact.

use jiff::Timestamp;

pub use crate::notification::Count;
use crate::notification::{Cursor, MissingId, Notification, Target, UserId};

/// How much of a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Entries of one user; 0: there is no inbox.
    pub size: usize,
    /// How long an entry is kept, and a log to which nothing is appended.
    pub ttl: std::time::Duration,
    /// How long an entry that names an address may stay unread before it is due to be mailed; `None`: nothing
    /// is ever due. See [`crate::broker::mail`].
    pub mail_after: Option<std::time::Duration>,
}

/// What to append: a payload that has passed [`crate::notification::Notification::parse`], under its id.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Whose log.
    pub user: &'a UserId,
    /// Appended once, whoever repeats it, until it is trimmed.
    pub id: &'a str,
    /// A JSON object.
    pub payload: &'a str,
}

/// What came of appending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// `false`: the id was there already, and nothing was published.
    pub is_new: bool,
    /// The entry's place, that of the first time.
    pub cursor: Cursor,
    /// As it is now.
    pub count: Count,
}

/// What came of marking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// `false`: there is no such entry (any more).
    pub found: bool,
    /// As it is now.
    pub count: Count,
}

/// One entry as it is kept. The payload may lack what [`crate::notification::Notification::parse`] fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub cursor: Cursor,
    /// Neither read nor covered by a later "all read".
    pub unread: bool,
    /// As text, whether it is a string or a number in the payload.
    pub id: String,
    /// As it was appended.
    pub payload: String,
}

impl Entry {
    /// With what is missing filled in; `user` is whose log it is in. What was kept was valid once, so `None`
    /// only if the limits have changed since or Redis was tampered with.
    pub fn notification(&self, user: &str) -> Option<Notification> {
        let appended = Timestamp::from_millisecond(self.cursor.at.cast_signed()).ok()?;
        let (target, id) = (Target::User(user), MissingId::Kept(&self.id));
        Notification::parse(self.payload.as_bytes(), target, id, appended, usize::MAX).ok()
    }
}

/// Where a log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The newest entry's, also when that was deleted or trimmed.
    pub cursor: Cursor,
    /// What is unread.
    pub count: Count,
}

/// From where a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// No entries, only where the log stands.
    Newest,
    /// What was appended after the cursor.
    After(Cursor),
    /// What is unread, after this position (0: all of it); whole while nothing after that was trimmed.
    Unread(u64),
}

/// One part of a log to read.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whose log.
    pub user: UserId,
    /// From where.
    pub start: Start,
}

/// Entries in one part, at most.
pub const PART: usize = 64;
/// Bytes of payloads in one part; a single entry may exceed it.
pub const PART_BYTES: usize = 128 * 1024;

/// One part of a log, and where the log stood when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Nothing is missing between the start and the first entry here. If something is, the entries are
    /// those with a higher position or a later time than the cursor's.
    pub whole: bool,
    /// Oldest first, [`PART`] and [`PART_BYTES`] at the most.
    pub entries: Vec<Entry>,
    /// Entries from the start to the end of the log, those in `entries` included.
    pub total: usize,
    /// The whole log's.
    pub summary: Summary,
}

impl Since {
    /// Where this part ends and, if there is more, the next begins.
    pub fn end(&self) -> Cursor {
        match self.entries.last() {
            Some(last) if self.has_more() => last.cursor,
            _ => self.summary.cursor,
        }
    }

    /// What to tell a client that has everything up to `from` for its place before these entries: it may be
    /// cut off before it has them.
    pub fn begin(&self, from: Cursor) -> Cursor {
        if self.entries.is_empty() { self.summary.cursor } else { from }
    }

    /// Whether entries are left for another part.
    pub fn has_more(&self) -> bool {
        self.total > self.entries.len()
    }
}

/// What a client can do to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Stays, and counts no longer.
    Read,
    /// Its payload is gone at once; its id stays known until it is trimmed.
    Deleted,
}

/// A change of a log that every replica hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// One entry.
    Marked {
        /// As text.
        id: &'a str,
        /// What it is now.
        mark: Mark,
    },
    /// Every entry so far.
    AllRead,
}
