//! `POST /api/publish`: one notification, or an array of them, each for a user, several, or everyone.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;

use super::api::{read, success};
use super::{Gateway, Refusal};
use crate::ingest::publication::{Item, Problem, Terms, deliver};
use crate::telemetry::Source;

/// Items in one request.
const MAX_ITEMS: usize = 1_000;

/// What became of one item.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Accepted {
        ok: bool,
        id: &'a RawValue,
        users: usize,
        /// Its place in the log of its one user.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
    },
    Refused {
        ok: bool,
        error: &'a Problem,
    },
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
    let terms = Terms::new(gateway.publish.max_payload_bytes);
    let items: Vec<Result<Item, Problem>> =
        raw.iter().map(|raw| Item::read(raw.get(), &terms)).collect();
    for problem in items.iter().filter_map(|item| item.as_ref().err()) {
        gateway.count_invalid(problem);
    }
    let accepted = items.iter().flatten();
    let has_inbox = gateway.inbox.is_enabled();
    let cursors = deliver(&gateway.broker, has_inbox, accepted).await?;
    let mut cursors = cursors.iter().map(ToString::to_string);
    for _ in items.iter().flatten() {
        gateway.metrics.received(Source::Http);
    }
    if let [Err(problem)] = &items[..] {
        return Err(Refusal::bad_request(problem.code, problem.message.clone()));
    }
    let mut outcome = |item| match item {
        &Ok(Item { ref id, ref users, .. }) => {
            let mut own = cursors.by_ref().take(users.len());
            let cursor = own.next().filter(|_| users.len() == 1);
            own.for_each(drop);
            Outcome::Accepted { ok: true, id, users: users.len(), cursor }
        }
        Err(error) => Outcome::Refused { ok: false, error },
    };
    let outcomes: Vec<Outcome<'_>> = items.iter().map(&mut outcome).collect();
    Ok(success(&serde_json::json!({"results": outcomes})))
}

impl Gateway {
    fn count_invalid(&self, problem: &Problem) {
        self.metrics.notifications_invalid.with_label_values(&["http", problem.label()]).inc();
    }
}
