//! One item of a publication: whom it is for, and the notification that they get.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::broker::log;
use crate::notification::{Invalid, MissingId, Notification, Target, UserId, json_string, rewrite};

/// Users of one item.
const MAX_USERS: usize = 10_000;

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
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Problem {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::new(invalid.label(), invalid.to_string())
    }
}

/// One item, ready to be published: to these users, or, if there are none, to everyone.
pub(super) struct Item {
    pub(super) id: Box<RawValue>,
    /// The id as text.
    key: String,
    pub(super) users: Vec<UserId>,
    body: String,
}

impl Item {
    pub(super) fn read(raw: &str, limit: usize) -> Result<Self, Problem> {
        let address: Address<'_> = serde_json::from_str(raw).map_err(|error| {
            let text = format!("expected an object with user_id, user_ids or broadcast: {error}");
            Problem::new("not_an_object", text)
        })?;
        let users = address.users()?;
        let bare = rewrite(raw, &[], &ADDRESS);
        let now = Timestamp::now();
        let notification =
            Notification::parse(bare.as_bytes(), Target::Broadcast, MissingId::Fresh, now, limit)?;
        let key = notification.id_text().into_owned();
        // What is filled in counts too: replicas drop what is longer when they hear it.
        let field = |user: &UserId| json_string(user.as_str()).len() + r#""user_id":,"#.len();
        let longest_field = users.iter().map(field).max().unwrap_or_default();
        if notification.body().len() + longest_field > limit {
            return Err(Invalid::TooLarge { limit }.into());
        }
        let id = RawValue::from_string(notification.id_json().to_owned())
            .map_err(|error| Problem::new("not_an_object", error.to_string()))?;
        Ok(Self { id, key, users, body: notification.body().to_owned() })
    }

    /// One payload per user, or one for everyone.
    pub(super) fn payloads(&self) -> impl Iterator<Item = Payload<'_>> {
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
pub(super) struct Payload<'a> {
    /// `None`: everyone.
    pub(super) user: Option<&'a UserId>,
    id: &'a str,
    pub(super) text: String,
}

impl Payload<'_> {
    pub(super) fn target(&self) -> Target<'_> {
        self.user.map_or(Target::Broadcast, |user| Target::User(user.as_str()))
    }

    pub(super) fn item(&self) -> Option<log::Item<'_>> {
        self.user.map(|user| log::Item { user, id: self.id, payload: &self.text })
    }
}

impl Address<'_> {
    /// Nobody means everyone.
    fn users(&self) -> Result<Vec<UserId>, Problem> {
        let one = self.user_id.as_ref().or(self.user_id_alias.as_ref());
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
