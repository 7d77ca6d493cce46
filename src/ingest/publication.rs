//! One item of a publication, over HTTP or from a queue: whom it is for, and the notification that they get.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::broker::{Away, Broker, log};
use crate::notification::{
    Cursor, Invalid, MissingId, Notification, Target, UserId, json_string, rewrite,
};

/// Users of one item.
const MAX_USERS: usize = 10_000;

/// Payloads in one pipeline to Redis.
const PIPELINE: usize = 256;
/// Bytes of payloads in one, so that it is through well within the deadline of a command.
const PIPELINE_BYTES: usize = 2 * 1024 * 1024;

/// Names that address an item and are no part of the notification.
const ADDRESS: [&str; 4] = ["user_id", "userId", "user_ids", "broadcast"];

#[derive(Deserialize)]
struct Address<'a> {
    #[serde(borrow)]
    user_id: Option<Id<'a>>,
    #[serde(borrow, rename = "userId")]
    user_id_alias: Option<Id<'a>>,
    #[serde(borrow)]
    user_ids: Option<Vec<Id<'a>>>,
    #[serde(default)]
    broadcast: bool,
    #[serde(borrow)]
    recipient_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "recipientId")]
    recipient_id_alias: Option<&'a RawValue>,
    #[serde(borrow)]
    recipient: Option<&'a RawValue>,
}

/// Users are named by text or number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Number(i64),
}

impl Id<'_> {
    fn user(&self) -> Result<UserId, Problem> {
        let user = match self {
            Self::Text(text) => UserId::new(text),
            Self::Number(number) => UserId::new(&number.to_string()),
        };
        user.map_err(|error| Problem::from(Invalid::from(error)))
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Problem {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Problem {
    /// The metric's `reason`.
    pub(crate) fn label(&self) -> &'static str {
        let known = Invalid::LABELS.iter().find(|label| **label == self.code);
        known.copied().unwrap_or("not_an_object")
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::new(invalid.label(), invalid.to_string())
    }
}

/// What a lane makes of an item.
pub(crate) struct Terms<'a> {
    /// The longest accepted notification, in bytes.
    pub(crate) limit: usize,
    pub(crate) missing_id: MissingId<'a>,
    /// The `timestamp` of an item without one.
    pub(crate) now: Timestamp,
    /// Whether `recipient_id`, `recipientId` or `recipient` addresses an item that names no user otherwise;
    /// unlike the other names they stay in the notification.
    pub(crate) has_recipients: bool,
}

impl Terms<'_> {
    /// For what is accepted at this moment.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, missing_id: MissingId::Fresh, now: Timestamp::now(), has_recipients: false }
    }
}

/// One item, ready to be published: to these users, or, if there are none, to everyone.
pub(crate) struct Item {
    pub(crate) id: Box<RawValue>,
    /// The id as text.
    key: String,
    pub(crate) users: Vec<UserId>,
    body: String,
    /// The notification's own, if it is RFC 3339.
    pub(crate) timestamp: Option<Timestamp>,
}

impl Item {
    /// `raw` is one JSON value.
    pub(crate) fn read(raw: &str, terms: &Terms<'_>) -> Result<Self, Problem> {
        let Terms { limit, missing_id, now, has_recipients } = *terms;
        let address: Address<'_> = serde_json::from_str(raw).map_err(|error| {
            let text = format!("expected an object with user_id, user_ids or broadcast: {error}");
            Problem::new("not_an_object", text)
        })?;
        let users = address.users(has_recipients)?;
        let bare = rewrite::<&str>(raw, &[], &ADDRESS);
        let notification =
            Notification::parse(bare.as_bytes(), Target::Broadcast, missing_id, now, limit)?;
        let key = notification.id_text().into_owned();
        // What is filled in counts too: replicas drop what is longer when they hear it.
        let field = |user: &UserId| json_string(user.as_str()).len() + r#""user_id":,"#.len();
        let longest_field = users.iter().map(field).max().unwrap_or_default();
        if notification.body().len() + longest_field > limit {
            return Err(Invalid::TooLarge { limit }.into());
        }
        let id = RawValue::from_string(notification.id_json().to_owned())
            .map_err(|error| Problem::new("not_an_object", error.to_string()))?;
        let (body, timestamp) = (notification.body().to_owned(), notification.timestamp());
        Ok(Self { id, key, users, body, timestamp })
    }

    /// The id as text.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// One payload per user, or one for everyone.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = Payload<'_>> {
        let id = &*self.key;
        let everyone =
            self.users.is_empty().then(|| Payload { user: None, id, text: self.body.clone() });
        everyone.into_iter().chain(self.users.iter().map(move |user| {
            let own = [("user_id", json_string(user.as_str()))];
            Payload { user: Some(user), id, text: rewrite(&self.body, &own, &[]) }
        }))
    }
}

/// What the broker gets.
pub(crate) struct Payload<'a> {
    /// `None`: everyone.
    pub(crate) user: Option<&'a UserId>,
    id: &'a str,
    pub(crate) text: String,
}

impl Payload<'_> {
    pub(crate) fn target(&self) -> Target<'_> {
        self.user.map_or(Target::Broadcast, |user| Target::User(user.as_str()))
    }

    pub(crate) fn item(&self) -> Option<log::Item<'_>> {
        self.user.map(|user| log::Item { user, id: self.id, payload: &self.text })
    }
}

/// Hands everything to the broker, in order; with an inbox, the cursor of each user's. After an error some
/// may be published, and in the inbox, where repeating the call does no harm.
pub(crate) async fn deliver<'a>(
    broker: &Broker,
    has_inbox: bool,
    items: impl Iterator<Item = &'a Item>,
) -> Result<Vec<Cursor>, Away> {
    let mut cursors = Vec::new();
    let mut payloads = items.flat_map(Item::payloads);
    loop {
        // Made a pipeline at a time: 10,000 users of one large notification are 640 MB.
        let mut room = PIPELINE_BYTES;
        let mut part: Vec<Payload<'_>> = Vec::new();
        while part.len() < PIPELINE
            && room > 0
            && let Some(payload) = payloads.next()
        {
            room = room.saturating_sub(payload.text.len());
            part.push(payload);
        }
        if part.is_empty() {
            return Ok(cursors);
        }
        // What is for everyone is in nobody's log.
        let is_kept = |payload: &&Payload<'_>| has_inbox && payload.user.is_some();
        let (kept, live): (Vec<_>, Vec<_>) = part.iter().partition(is_kept);
        let live: Vec<_> = live.iter().map(|payload| (payload.target(), &*payload.text)).collect();
        if !live.is_empty() {
            broker.publish_all(&live).await?;
        }
        let kept: Vec<_> = kept.iter().filter_map(|payload| payload.item()).collect();
        if !kept.is_empty() {
            let appended = broker.append(&kept).await?;
            cursors.extend(appended.iter().map(|appended| appended.cursor));
        }
    }
}

/// `None` for a value of another kind, such as an object with a name and an address.
fn raw_id(raw: &RawValue) -> Option<Id<'_>> {
    serde_json::from_str(raw.get()).ok()
}

impl Address<'_> {
    /// Nobody means everyone.
    fn users(&self, has_recipients: bool) -> Result<Vec<UserId>, Problem> {
        let one = self.user_id.as_ref().or(self.user_id_alias.as_ref());
        if has_recipients && one.is_none() && self.user_ids.is_none() && !self.broadcast {
            let named = [self.recipient_id, self.recipient_id_alias, self.recipient];
            let mut named = named.iter().flatten().filter_map(|raw| raw_id(raw));
            if let Some(recipient) = named.next() {
                return Ok(vec![recipient.user()?]);
            }
        }
        match (one, &self.user_ids, self.broadcast) {
            (Some(one), None, false) => Ok(vec![one.user()?]),
            (None, Some(several), false) if several.is_empty() => {
                Err(Problem::new("user_id", "user_ids is empty"))
            }
            (None, Some(several), false) if several.len() > MAX_USERS => {
                Err(Problem::new("too_many", format!("at most {MAX_USERS} user_ids")))
            }
            (None, Some(several), false) => several.iter().map(Id::user).collect(),
            (None, None, true) => Ok(Vec::new()),
            _ => Err(Problem::new("user_id", "give one of user_id, user_ids and broadcast:true")),
        }
    }
}
