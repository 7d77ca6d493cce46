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
    pub user: &'a UserId,
    pub id: &'a str,
    pub payload: &'a str,
}

/// What came of appending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// `false`: the id was there already, and nothing was published.
    pub is_new: bool,
    pub cursor: Cursor,
    pub count: Count,
}

/// What came of marking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// `false`: there is no such entry (any more).
    pub found: bool,
    pub count: Count,
}

/// One entry as it is kept. The payload may lack what [`crate::notification::Notification::parse`] fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub cursor: Cursor,
    pub unread: bool,
    pub id: String,
    pub payload: String,
}

/// Where a log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The newest entry's, also when that was deleted or trimmed.
    pub cursor: Cursor,
    pub count: Count,
}

/// What follows a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Nothing is missing between the cursor and the first entry here. If something is, the entries are
    /// the oldest that are kept.
    pub whole: bool,
    pub entries: Vec<Entry>,
}

/// What a client can do to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Read,
    Deleted,
}

/// A change of a log that every replica hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    Marked { id: &'a str, mark: Mark },
    AllRead,
}
