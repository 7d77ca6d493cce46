//! What a user can see and do in the inbox, for sockets and HTTP alike.

use std::sync::Arc;

use crate::broker::log::{Count, Entry, Mark, Summary};
use crate::broker::{Away, Broker};
use crate::dialect::{Command, item};
use crate::notification::{BadCursor, Cursor, UserId};
use crate::recovery::Discarder;
use crate::telemetry::Metrics;

/// Entries in one page unless asked for.
const PAGE: usize = 50;
/// Entries in one page at the most.
const MAX_PAGE: usize = 200;

/// The inboxes of all users.
pub struct Inbox {
    broker: Broker,
    enabled: bool,
    metrics: Arc<Metrics>,
    discarder: Discarder,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The count as it is now, for whoever asked.
    Count(Count),
    /// It was done; everyone concerned is told by way of the log.
    Done(Count),
    /// `{"items":[…],"next":cursor or null}`
    Page(String),
}

/// Why a command was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// `CAMPANILE_INBOX_SIZE` is 0.
    #[error("this gateway keeps no inbox")]
    Disabled,
    /// Deleted, trimmed, or never there.
    #[error("there is no such notification in the inbox")]
    NotFound,
    /// `before` is no cursor.
    #[error("before: {0}")]
    Cursor(#[from] BadCursor),
    /// Redis does not answer.
    #[error("the inbox cannot be reached at the moment")]
    Away(Away),
}

impl Failure {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "inbox_disabled",
            Self::NotFound => "not_found",
            Self::Cursor(_) => "bad_fields",
            Self::Away(_) => "redis_away",
        }
    }
}

/// Which entries to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// 50 unless given, 200 at the most.
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub before: Option<String>,
    /// Only what is unread.
    pub unread: bool,
}

impl Inbox {
    /// With `enabled` false every command is answered with [`Failure::Disabled`].
    pub fn new(broker: Broker, enabled: bool, metrics: Arc<Metrics>, discarder: Discarder) -> Self {
        Self { broker, enabled, metrics, discarder }
    }

    /// Does what a client asks for.
    ///
    /// # Errors
    /// [`Failure`]; nothing was changed then, or Redis fell silent in the middle.
    pub async fn perform(&self, user: &UserId, command: Command) -> Result<Answer, Failure> {
        match command {
            Command::GetUnreadCount => {
                self.summary(user).await.map(|summary| Answer::Count(summary.count))
            }
            Command::MarkRead { id } => self.mark(user, &id, Mark::Read).await.map(Answer::Done),
            Command::Delete { id } => self.mark(user, &id, Mark::Deleted).await.map(Answer::Done),
            Command::MarkAllRead => self.mark_all(user).await.map(Answer::Done),
            Command::List { limit, before, unread } => {
                self.page(user, Query { limit, before, unread }).await.map(Answer::Page)
            }
            // The session answers these itself.
            Command::Ping | Command::Refresh { .. } | Command::Auth { .. } => {
                Err(Failure::NotFound)
            }
        }
    }

    /// Where a user's log stands.
    pub async fn summary(&self, user: &UserId) -> Result<Summary, Failure> {
        self.enabled()?;
        self.counted("count", self.broker.summary(user).await)
    }

    /// Marks one entry read or deleted; the count after it.
    pub async fn mark(&self, user: &UserId, id: &str, mark: Mark) -> Result<Count, Failure> {
        self.enabled()?;
        let operation = match mark {
            Mark::Read => "mark_read",
            Mark::Deleted => "delete",
        };
        let marked = self.broker.mark(user, id, mark).await;
        if let Ok(marked) = marked
            && !marked.found
        {
            self.count(operation, "missing");
            return Err(Failure::NotFound);
        }
        self.counted(operation, marked).map(|marked| marked.count)
    }

    /// Marks everything read; the count after it.
    pub async fn mark_all(&self, user: &UserId) -> Result<Count, Failure> {
        self.enabled()?;
        self.counted("mark_all_read", self.broker.mark_all(user).await)
    }

    /// `{"items":[…],"next":cursor or null}`, newest first.
    pub async fn page(&self, user: &UserId, query: Query) -> Result<String, Failure> {
        self.enabled()?;
        let before = query.before.map(|text| text.parse::<Cursor>()).transpose()?;
        let limit = query.limit.map_or(PAGE, |limit| limit as usize).clamp(1, MAX_PAGE);
        let position = before.map_or(0, |cursor| cursor.position);
        let entries = self.broker.list(user, position, limit, query.unread).await;
        let entries = self.counted("list", entries)?;
        let full = entries.len() == limit;
        let next = entries.last().filter(|_| full).map(|entry| entry.cursor);
        let row = |entry: &Entry| {
            let row = row(user, entry);
            if row.is_none() {
                self.discarder.found(&self.metrics, user.as_str(), &entry.id);
            }
            row
        };
        let items: Vec<String> = entries.iter().filter_map(row).collect();
        let next = next.map_or("null".to_owned(), |cursor| format!("\"{cursor}\""));
        Ok(format!(r#"{{"items":[{}],"next":{next}}}"#, items.join(",")))
    }

    /// Whether publications are kept at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    fn enabled(&self) -> Result<(), Failure> {
        if self.enabled { Ok(()) } else { Err(Failure::Disabled) }
    }

    fn counted<T>(&self, operation: &str, result: Result<T, Away>) -> Result<T, Failure> {
        self.count(operation, if result.is_ok() { "ok" } else { "away" });
        result.map_err(Failure::Away)
    }

    fn count(&self, operation: &str, result: &str) {
        self.metrics.inbox_operations.with_label_values(&[operation, result]).inc();
    }
}

/// One entry as clients see it.
fn row(user: &UserId, entry: &Entry) -> Option<String> {
    let notification = entry.notification(user.as_str())?;
    Some(item(&notification, entry.cursor, !entry.unread))
}
