//! What goes to the sockets of a user: parsed once, encoded at most once per form.

use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;

use crate::dialect::{Form, Message};
use crate::notification::{Count, Cursor, Notification};
use crate::socket::frame;

/// Shared by all sockets that get it.
#[derive(Debug)]
pub struct Parcel {
    content: Content,
    /// The count after it, where there is an inbox.
    count: Option<Count>,
    received: Instant,
    frames: [OnceLock<Option<Bytes>>; Form::ALL.len()],
}

#[derive(Debug)]
enum Content {
    Notification {
        notification: Notification,
        cursor: Option<Cursor>,
    },
    /// One entry of the inbox, or without an id all of them, got this status.
    Update {
        id: Option<String>,
        status: &'static str,
    },
    /// What went out without a cursor has one now.
    Captured {
        cursor: Cursor,
    },
}

impl Parcel {
    /// A notification that is in no log. `received` is when the broker handed it over.
    pub fn plain(notification: Notification, received: Instant) -> Self {
        Self::new(Content::Notification { notification, cursor: None }, None, received)
    }

    /// A notification with its place in the log and the count after it.
    pub fn logged(
        notification: Notification,
        cursor: Cursor,
        count: Count,
        received: Instant,
    ) -> Self {
        let cursor = Some(cursor);
        Self::new(Content::Notification { notification, cursor }, Some(count), received)
    }

    /// A change in the inbox and the count after it; `id` `None` is all entries.
    pub fn update(
        id: Option<String>,
        status: &'static str,
        count: Count,
        received: Instant,
    ) -> Self {
        Self::new(Content::Update { id, status }, Some(count), received)
    }

    /// The place in the log, and the count, of a notification that was [`plain`](Self::plain).
    pub fn captured(cursor: Cursor, count: Count, received: Instant) -> Self {
        Self::new(Content::Captured { cursor }, Some(count), received)
    }

    fn new(content: Content, count: Option<Count>, received: Instant) -> Self {
        Self { content, count, received, frames: Default::default() }
    }

    /// `None`: it is news of the inbox.
    pub fn notification(&self) -> Option<&Notification> {
        match &self.content {
            Content::Notification { notification, .. } => Some(notification),
            Content::Update { .. } | Content::Captured { .. } => None,
        }
    }

    /// When the broker handed it over.
    pub fn received(&self) -> Instant {
        self.received
    }

    /// The WebSocket frame, or frames, for clients of `form`; `None` where they do not know such a thing.
    pub fn frame(&self, form: Form) -> Option<&Bytes> {
        self.frames[form as usize].get_or_init(|| self.encode(form)).as_ref()
    }

    fn encode(&self, form: Form) -> Option<Bytes> {
        let (first, cursor) = match &self.content {
            Content::Notification { notification, cursor } => {
                let room = notification.body().len() + 160;
                (Some(frame::text(room, |out| form.write(notification, *cursor, out))), None)
            }
            Content::Update { id, status } => {
                let change = Message::Update { id: id.as_deref(), status };
                (Some(frame::message(&form.write_change(&change)?)), None)
            }
            Content::Captured { cursor } => (None, Some(*cursor)),
        };
        let count = self.count.and_then(|count| form.write_count(count, cursor));
        match (first, count.map(|text| frame::message(&text))) {
            (Some(first), Some(count)) => Some([&first[..], &count[..]].concat().into()),
            (first, count) => first.or(count),
        }
    }
}
