//! `POST /api/publish`: one notification, or an array of them, each for a user, several, or everyone.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;

use super::api::{read, success};
use super::publication::{Item, Payload, Problem};
use super::{Gateway, Refusal};
use crate::notification::Invalid;
use crate::telemetry::Source;

/// Items in one request.
const MAX_ITEMS: usize = 1_000;
/// Payloads in one pipeline to Redis.
const PIPELINE: usize = 256;
/// Bytes of payloads in one, so that it is through well within the deadline of a command.
const PIPELINE_BYTES: usize = 2 * 1024 * 1024;

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
    let items: Vec<Result<Item, Problem>> =
        raw.iter().map(|raw| Item::read(raw.get(), gateway.publish.max_payload_bytes)).collect();
    for problem in items.iter().filter_map(|item| item.as_ref().err()) {
        gateway.count_invalid(problem);
    }
    let mut cursors = gateway.deliver(&items).await?.into_iter();
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
    /// Hands everything to the broker, in order; with an inbox, the cursor of each user's.
    async fn deliver(&self, items: &[Result<Item, Problem>]) -> Result<Vec<String>, Refusal> {
        let mut cursors = Vec::new();
        let mut payloads = items.iter().flatten().flat_map(Item::payloads);
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
            let is_kept =
                |payload: &&Payload<'_>| self.inbox.is_enabled() && payload.user.is_some();
            let (kept, live): (Vec<_>, Vec<_>) = part.iter().partition(is_kept);
            let live: Vec<_> =
                live.iter().map(|payload| (payload.target(), &*payload.text)).collect();
            if !live.is_empty() {
                self.broker.publish_all(&live).await?;
            }
            let kept: Vec<_> = kept.iter().filter_map(|payload| payload.item()).collect();
            if !kept.is_empty() {
                let appended = self.broker.append(&kept).await?;
                cursors.extend(appended.iter().map(|appended| appended.cursor.to_string()));
            }
        }
    }

    fn count_invalid(&self, problem: &Problem) {
        let known = Invalid::LABELS.iter().find(|label| **label == problem.code);
        let label = known.copied().unwrap_or("not_an_object");
        self.metrics.notifications_invalid.with_label_values(&["http", label]).inc();
    }
}
