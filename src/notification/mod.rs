//! The nouns everything speaks of: who, what, and why a payload is refused. No IO.

mod cursor;
mod fields;
mod front;
mod rewrite;
mod user;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

pub use cursor::{BadCursor, Count, Cursor};
pub(crate) use rewrite::{json_string, push_json_string, rewrite, rewrite_into};
pub use user::{UserId, UserIdError};

use fields::Fields;
use front::{Front, Span};

/// Namespace of ids derived from channel and payload, so that every replica derives the same one.
const DERIVED_ID_NAMESPACE: Uuid = Uuid::from_u128(0x6361_6d70_616e_696c_652d_6964_2d6e_7331);

/// Who a payload was published for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// One user; the id as it stands in the channel, not yet checked.
    User(&'a str),
    /// Every connected user.
    Broadcast,
}

/// Where a missing `id` comes from.
#[derive(Clone, Copy, Debug)]
pub enum MissingId<'a> {
    /// UUIDv5 of channel and payload (RFC 9562 §5.5): plain PUBLISH, which every replica sees.
    Derived {
        /// Its name as published on, so that the same payload for two users makes two ids.
        channel: &'a str,
    },
    /// UUIDv7 (RFC 9562 §5.7): lanes that one replica accepts.
    Fresh,
    /// The one under which it is kept.
    Kept(&'a str),
}

/// Why a payload is no notification. The [`label`](Self::label) is the metric's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not UTF-8, not JSON (RFC 8259), or another kind of value.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// Refused by its length, before it is parsed.
    #[error("the payload exceeds {limit} bytes")]
    TooLarge {
        /// The longest accepted payload, in bytes.
        limit: usize,
    },
    /// The payload names a user that its target is not, be it another one or everyone.
    #[error("user_id contradicts the channel it was published on")]
    WrongUser,
    /// From a Socket.IO server: neither msgpack nor JSON, or not what its adapter says.
    #[error("the message is none of a Socket.IO adapter")]
    Malformed,
    /// From a Socket.IO server: arguments with binary data, which JSON does not have.
    #[error("the event has binary data")]
    Binary,
    /// The target's user cannot be a user id.
    #[error("{0}")]
    UserId(#[from] UserIdError),
}

impl Invalid {
    /// Every label there is, so that a counter can exist before its first event.
    pub const LABELS: [&'static str; 6] =
        ["not_an_object", "too_large", "wrong_user", "malformed", "binary", "user_id"];

    /// One of [`LABELS`](Self::LABELS).
    pub fn label(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::TooLarge { .. } => "too_large",
            Self::WrongUser => "wrong_user",
            Self::Malformed => "malformed",
            Self::Binary => "binary",
            Self::UserId(_) => "user_id",
        }
    }
}

/// One notification, parsed once: the JSON object every client gets, and what the gateway reads of it.
/// Cheap to clone: the texts are shared.
#[derive(Clone, Debug)]
pub struct Notification {
    body: Arc<str>,
    /// What the body was read from, where the body has outgrown the limit.
    published: Option<Arc<str>>,
    id: Span,
    kind: Span,
    timestamp: Option<Timestamp>,
    shadows_envelope: bool,
}

impl Notification {
    /// Reads `payload` and fills in what is missing: `id`, `type` (`"info"`), `timestamp` (`now`),
    /// `user_id` (of the target). A payload in which nothing is missing passes byte for byte.
    ///
    /// # Errors
    /// [`Invalid`], whose label is safe to show; the payload never is.
    pub fn parse(
        payload: &[u8],
        target: Target<'_>,
        missing_id: MissingId<'_>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Self, Invalid> {
        if payload.len() > limit {
            return Err(Invalid::TooLarge { limit });
        }
        if let Target::User(user) = target {
            UserId::check(user)?;
        }
        let text = std::str::from_utf8(payload).map_err(|_| Invalid::NotAnObject)?.trim();
        let fields = Fields::read(text).ok_or(Invalid::NotAnObject)?;
        fields.check_user(target)?;

        let mut front = Front::of(text);
        front.fill("id", &fields.id, |out| match missing_id {
            MissingId::Fresh => push_json_string(out, &Uuid::now_v7().to_string()),
            MissingId::Derived { channel } => {
                let name = [channel.as_bytes(), b"\0", payload].concat();
                push_json_string(out, &Uuid::new_v5(&DERIVED_ID_NAMESPACE, &name).to_string());
            }
            MissingId::Kept(id) => push_json_string(out, id),
        });
        front.fill("type", &fields.kind, |out| out.push_str("\"info\""));
        front.fill("timestamp", &fields.timestamp, |out| {
            // Writing to a text cannot fail.
            write!(out, "\"{now:.3}\"").ok();
        });
        if let Target::User(user) = target
            && fields.user.needs_canonical()
        {
            front.push("user_id", |out| push_json_string(out, user));
        }
        if let (Some(raw), true) = (fields.email.value(), fields.email.needs_canonical()) {
            front.push("user_email", |out| out.push_str(raw));
        }
        let timestamp = match fields.timestamp.value() {
            Some(raw) => raw.trim_matches('"').parse().ok(),
            None => Some(now),
        };
        let shadows_envelope = fields.shadows_envelope;
        let (body, id, kind) = front.join(&fields);
        let published = (body.len() > limit).then(|| text.into());
        Ok(Self { body, published, id, kind, timestamp, shadows_envelope })
    }

    /// The JSON object, UTF-8, without surrounding white space.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// What a log should keep: the body, or where that has outgrown the limit, what it was read from.
    pub fn to_keep(&self) -> &str {
        self.published.as_ref().unwrap_or(&self.body)
    }

    /// The id as a JSON literal: `"a1"` or `17`.
    pub fn id_json(&self) -> &str {
        self.id.of(&self.body)
    }

    /// The id as text, whether it is a string or a number.
    pub fn id_text(&self) -> Cow<'_, str> {
        let id = self.id_json();
        match id.strip_prefix('"') {
            None => id.into(),
            // Without an escape the literal is the text in quotes.
            Some(rest) if !rest.contains('\\') => rest.trim_end_matches('"').into(),
            Some(_) => serde_json::from_str::<String>(id).unwrap_or_default().into(),
        }
    }

    /// The type as a JSON literal.
    pub fn kind_json(&self) -> &str {
        self.kind.of(&self.body)
    }

    /// When it was published, if `timestamp` is RFC 3339.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    /// Whether the object itself has `notification_id` or `notification_type`.
    pub(crate) fn shadows_envelope(&self) -> bool {
        self.shadows_envelope
    }
}

#[cfg(test)]
mod tests;
