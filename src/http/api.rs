//! The HTTP API; `openapi.json` describes it.

use std::time::Duration;

use actix_cors::Cors;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Gateway, Refusal, inbox, openapi, origin, polling, publish, stream};
use crate::broker::Away;
use crate::config::Origins;
use crate::notification::UserId;

/// Largest request body, in bytes; an array of 1,000 notifications has to fit.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn configure(config: &mut web::ServiceConfig, origins: Origins) {
    polling::configure(config, &origins);
    config
        .service(
            web::scope("/api")
                .wrap(cors(origins))
                .route("/ws", web::get().to(upgrade_required))
                .route("/notifications/stats", web::get().to(stats))
                .route("/notifications/stream", web::get().to(stream::stream))
                .configure(inbox::configure)
                .route("/publish", web::post().to(publish::publish))
                .route("/disconnect", web::post().to(disconnect))
                .route("/users/{id}/presence", web::get().to(presence)),
        )
        .route("/ws", web::get().to(upgrade_required))
        .route("/ws/notifications", web::get().to(upgrade_required))
        .route("/openapi.json", web::get().to(openapi::document))
        .default_service(web::to(not_found));
}

/// Pages of allowed origins may call the API; the same rule as for sockets.
fn cors(allowed: Origins) -> Cors {
    origins(allowed)
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, stream::LAST_EVENT_ID])
        .expose_headers([header::RETRY_AFTER])
        .max_age(3600)
}

pub(super) fn origins(origins: Origins) -> Cors {
    Cors::default().allowed_origin_fn(move |from, head| {
        let host = head.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        origin::is_allowed(from.to_str().ok(), host, &origins)
    })
}

async fn not_found() -> Result<HttpResponse, Refusal> {
    Err(Refusal::not_found())
}

async fn upgrade_required(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let refusal = Refusal::upgrade_required();
    gateway.refused(&refusal, request.uri(), request.peer_addr());
    Err(refusal)
}

#[derive(Serialize)]
struct Stats {
    total_users: u64,
    total_clients: u64,
    timestamp: String,
}

async fn stats(gateway: web::Data<Gateway>, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    gateway.user(request.head()).await?;
    let census = gateway.broker.census().await?;
    Ok(success(&Stats {
        total_users: census.users,
        total_clients: census.connections,
        timestamp: format!("{:.0}", Timestamp::now()),
    }))
}

#[derive(Deserialize)]
struct Disconnect {
    user_id: String,
}

async fn disconnect(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Refusal> {
    gateway.publisher(&request)?;
    let Disconnect { user_id } = serde_json::from_slice(&read(body).await?).map_err(|error| {
        Refusal::bad_request("bad_body", format!("expected {{\"user_id\":…}}: {error}"))
    })?;
    let user = user(&user_id)?;
    gateway.broker.disconnect(&user).await?;
    Ok(success(&json!({"user_id": user.as_str()})))
}

async fn presence(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    gateway.publisher(&request)?;
    let user = user(&id)?;
    let connections = gateway.broker.connections_of(&user).await?;
    let online = connections > 0;
    Ok(success(&json!({"user_id": user.as_str(), "online": online, "connections": connections})))
}

/// The body, for those who may send one: it is read after the key was checked.
pub(super) async fn read(body: web::Payload) -> Result<web::Bytes, Refusal> {
    let whole = tokio::time::timeout(BODY_TIMEOUT, body.to_bytes_limited(MAX_BODY));
    match whole.await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(error))) => Err(Refusal::bad_request("bad_body", error.to_string())),
        Ok(Err(_too_long)) => Err(Refusal::body_too_large(MAX_BODY)),
        Err(_elapsed) => Err(Refusal::body_too_slow()),
    }
}

fn user(text: &str) -> Result<UserId, Refusal> {
    UserId::new(text).map_err(|error| Refusal::bad_request("user_id", error.to_string()))
}

#[derive(Serialize)]
struct Success<'a, T> {
    success: bool,
    data: &'a T,
}

/// `{"success":true,"data":…}`
pub(super) fn success(data: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Success { success: true, data })
}

impl Gateway {
    /// Refuses a request that carries no publish key.
    pub(super) fn publisher(&self, request: &HttpRequest) -> Result<(), Refusal> {
        if self.publish.keys.is_empty() {
            return Err(Refusal::publish_off());
        }
        let given = request.headers().get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
        if given.is_some_and(|key| self.is_publish_key(key)) {
            Ok(())
        } else {
            Err(Refusal::publish_key())
        }
    }
}

impl From<Away> for Refusal {
    fn from(away: Away) -> Self {
        tracing::warn!(%away, "a request failed");
        Self::redis_away()
    }
}
