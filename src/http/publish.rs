//! `POST /api/publish`: one notification, or an array of them, each for a user, several, or everyone.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::{read, success};
use super::{Gateway, Refusal};
use crate::notification::{Invalid, MissingId, Notification, Target, UserId, json_string, rewrite};
use crate::telemetry::Source;

/// Items in one request.
const MAX_ITEMS: usize = 1_000;
/// Users of one item.
const MAX_USERS: usize = 10_000;
/// Payloads in one pipeline to Redis.
const PIPELINE: usize = 256;

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
    Text(#[serde(borrow)] std::borrow::Cow<'a, str>),
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

/// What became of one item.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Accepted { ok: bool, id: &'a RawValue, users: usize },
    Refused { ok: bool, error: &'a Problem },
}

#[derive(Clone, Debug, Serialize)]
struct Problem {
    code: &'static str,
    message: String,
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
struct Item {
    id: Box<RawValue>,
    users: Vec<UserId>,
    body: String,
}

pub(super) async fn publish(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Refusal> {
    gateway.publisher(&request)?;
    let body = read(body).await?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| Refusal::bad_request("bad_body", "the body is not UTF-8"))?;
    let raw: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(text).map(|one| vec![one])
    }
    .map_err(|error| Refusal::bad_request("bad_body", format!("the body is not JSON: {error}")))?;
    if raw.len() > MAX_ITEMS {
        let text = format!("at most {MAX_ITEMS} notifications in one request");
        return Err(Refusal::bad_request("too_many", text));
    }
    let items: Vec<Result<Item, Problem>> =
        raw.iter().map(|raw| Item::read(raw.get(), gateway.publish.max_payload_bytes)).collect();
    for problem in items.iter().filter_map(|item| item.as_ref().err()) {
        gateway.count_invalid(problem);
    }
    // Made a pipeline at a time: 10,000 users of one large notification are 640 MB.
    let mut payloads = items.iter().flatten().flat_map(Item::payloads);
    loop {
        let part: Vec<(Target<'_>, String)> = payloads.by_ref().take(PIPELINE).collect();
        if part.is_empty() {
            break;
        }
        let part: Vec<(Target<'_>, &str)> =
            part.iter().map(|(target, payload)| (*target, payload.as_str())).collect();
        gateway.broker.publish_all(&part).await?;
    }
    for _ in items.iter().flatten() {
        gateway.metrics.received(Source::Http);
    }
    if let [Err(problem)] = &items[..] {
        return Err(Refusal::bad_request(problem.code, problem.message.clone()));
    }
    let outcomes: Vec<Outcome<'_>> = items
        .iter()
        .map(|item| match item {
            Ok(Item { id, users, .. }) => Outcome::Accepted { ok: true, id, users: users.len() },
            Err(error) => Outcome::Refused { ok: false, error },
        })
        .collect();
    Ok(success(&serde_json::json!({"results": outcomes})))
}

impl Item {
    fn read(raw: &str, limit: usize) -> Result<Self, Problem> {
        let address: Address<'_> = serde_json::from_str(raw).map_err(|error| {
            let text = format!("expected an object with user_id, user_ids or broadcast: {error}");
            Problem::new("not_an_object", text)
        })?;
        let users = address.users()?;
        let bare = rewrite(raw, &[], &ADDRESS);
        let now = Timestamp::now();
        let notification =
            Notification::parse(bare.as_bytes(), Target::Broadcast, MissingId::Fresh, now, limit)?;
        // What is filled in counts too: replicas drop what is longer when they hear it.
        let field = |user: &UserId| json_string(user.as_str()).len() + r#""user_id":,"#.len();
        let longest_field = users.iter().map(field).max().unwrap_or_default();
        if notification.body().len() + longest_field > limit {
            return Err(Invalid::TooLarge { limit }.into());
        }
        let id = RawValue::from_string(notification.id_json().to_owned())
            .map_err(|error| Problem::new("not_an_object", error.to_string()))?;
        Ok(Self { id, users, body: notification.body().to_owned() })
    }

    /// One payload per user.
    fn payloads(&self) -> impl Iterator<Item = (Target<'_>, String)> {
        let everyone = self.users.is_empty().then(|| (Target::Broadcast, self.body.clone()));
        everyone.into_iter().chain(self.users.iter().map(|user| {
            let own = [("user_id", json_string(user.as_str()))];
            (Target::User(user.as_str()), rewrite(&self.body, &own, &[]))
        }))
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

impl Gateway {
    fn count_invalid(&self, problem: &Problem) {
        let known = Invalid::LABELS.iter().find(|label| **label == problem.code);
        let label = known.copied().unwrap_or("not_an_object");
        self.metrics.notifications_invalid.with_label_values(&["http", label]).inc();
    }
}
