//! The log of a user, as both brokers keep it: what was published, in order, until it is trimmed; which of
//! it is unread; and a count that is exact.

pub use crate::notification::Count;
use crate::notification::{Cursor, UserId};

/// How much of a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Entries of one user; 0: there is no inbox.
    pub size: usize,
    /// How long an entry is kept, and a log to which nothing is appended.
    pub ttl: std::time::Duration,
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

/// Where a log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The newest entry's, also when that was deleted or trimmed.
    pub cursor: Cursor,
    /// What is unread.
    pub count: Count,
}

/// What follows a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Nothing is missing between the cursor and the first entry here. If something is, the entries are
    /// the oldest that are kept.
    pub whole: bool,
    /// Oldest first.
    pub entries: Vec<Entry>,
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
