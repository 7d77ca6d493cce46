//! What goes to the sockets of a user: parsed once, encoded at most once per form.

use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;

use crate::dialect::{Form, Message, Namespace, socketio};
use crate::notification::{Count, Cursor, Notification};
use crate::socket::Framing;

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
    /// Of the log, told later than when it was appended.
    Replay {
        notification: Notification,
        cursor: Cursor,
        read: bool,
    },
    /// One entry of the inbox, or without an id all of them, got this status.
    Update {
        id: Option<String>,
        status: &'static str,
    },
    /// The count has changed, with the entry at this place or because of what was not heard.
    Count {
        cursor: Option<Cursor>,
    },
    /// What was missed cannot be told; the log goes on from here.
    Lost(Cursor),
    /// For the sockets of Socket.IO that have subscribed in this namespace, and for no others.
    Event {
        namespace: Namespace,
        /// `["NAME",…]`
        text: Box<str>,
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

    /// A notification that was read in the log instead of heard; `read`: on another device, meanwhile.
    pub fn replay(
        notification: Notification,
        cursor: Cursor,
        read: bool,
        received: Instant,
    ) -> Self {
        Self::new(Content::Replay { notification, cursor, read }, None, received)
    }

    /// Only a count; `cursor` is the entry's that changed it, if it was one.
    pub fn count_only(cursor: Option<Cursor>, count: Count, received: Instant) -> Self {
        Self::new(Content::Count { cursor }, Some(count), received)
    }

    /// The log has lost what the sockets should have had; it stands at `cursor` now.
    pub fn lost(cursor: Cursor, count: Count, received: Instant) -> Self {
        Self::new(Content::Lost(cursor), Some(count), received)
    }

    /// An event that only sockets of Socket.IO get, those that have subscribed in `namespace`; `text` is the JSON
    /// array of its name and its arguments, such as `["NAME",{"a":1}]`.
    pub fn event(namespace: Namespace, text: &str, received: Instant) -> Self {
        Self::new(Content::Event { namespace, text: text.into() }, None, received)
    }

    fn new(content: Content, count: Option<Count>, received: Instant) -> Self {
        Self { content, count, received, frames: Default::default() }
    }

    /// `None`: it is something else about the inbox.
    pub fn notification(&self) -> Option<&Notification> {
        match &self.content {
            Content::Notification { notification, .. } | Content::Replay { notification, .. } => {
                Some(notification)
            }
            Content::Update { .. }
            | Content::Count { .. }
            | Content::Lost(_)
            | Content::Event { .. } => None,
        }
    }

    /// Whether clients that are not told counts have nothing from it.
    pub fn is_count_only(&self) -> bool {
        matches!(self.content, Content::Count { .. })
    }

    /// Whether it was read in the log, some time after it was published.
    pub fn is_replay(&self) -> bool {
        matches!(self.content, Content::Replay { .. })
    }

    /// Where the log goes on, if it has lost something.
    pub fn gap(&self) -> Option<(Cursor, Count)> {
        let Content::Lost(cursor) = self.content else { return None };
        Some((cursor, self.count.unwrap_or_default()))
    }

    /// Its place in the log, if it has one.
    pub fn cursor(&self) -> Option<Cursor> {
        match &self.content {
            Content::Notification { cursor, .. } | Content::Count { cursor } => *cursor,
            Content::Replay { cursor, .. } => Some(*cursor),
            Content::Update { .. } | Content::Lost(_) | Content::Event { .. } => None,
        }
    }

    /// The count after it, where it changed that.
    pub fn count(&self) -> Option<Count> {
        self.count
    }

    /// About what it takes in memory, in bytes.
    pub fn size(&self) -> usize {
        let text = match &self.content {
            Content::Event { text, .. } => text.len(),
            _ => self.notification().map_or(0, |n| n.body().len()),
        };
        size_of::<Self>() + text
    }

    /// When the broker handed it over.
    pub fn received(&self) -> Instant {
        self.received
    }

    /// The frame, or frames, for clients of `form`; `None` where they do not know such a thing.
    pub fn frame(&self, form: Form) -> Option<&Bytes> {
        self.frames[form as usize].get_or_init(|| self.encode(form)).as_ref()
    }

    fn encode(&self, form: Form) -> Option<Bytes> {
        let framing = Framing::of(form);
        let write = |notification: &Notification, cursor, read| {
            let room = notification.body().len() + 200;
            framing.text(room, |out| form.write(notification, cursor, read, out))
        };
        let first = match &self.content {
            Content::Notification { notification, cursor } => {
                Some(write(notification, *cursor, None))
            }
            Content::Replay { notification, cursor, read } => {
                Some(write(notification, Some(*cursor), read.then_some(true)))
            }
            Content::Update { id, status } => {
                let change = Message::Update { id: id.as_deref(), status };
                Some(framing.message(&form.write_change(&change)?))
            }
            Content::Count { .. } => None,
            // Clients without a greeting know at least the count.
            Content::Lost(_) => {
                let count =
                    Message::UnreadCount { count: self.count?, reference: None, cursor: None };
                return Some(framing.message(&form.write_change(&count)?));
            }
            Content::Event { namespace, text } => {
                let namespace = form.namespace().filter(|joined| joined == namespace)?;
                return Some(framing.message(&socketio::event(namespace, text)));
            }
        };
        let cursor = self.cursor().filter(|_| first.is_none());
        let count = self.count.and_then(|count| form.write_count(count, cursor));
        match (first, count) {
            (first, None) => first,
            (None, Some(text)) => Some(framing.message(&text)),
            (Some(first), Some(text)) => {
                Some([&first[..], &framing.message(&text)[..]].concat().into())
            }
        }
    }
}
