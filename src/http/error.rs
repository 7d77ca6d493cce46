//! What is refused over HTTP: one table of status, code and text.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::auth::AuthError;

/// A refusal: `{"success":false,"error":{"code","message"}}` with its status.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// Stable, for programs, and the metrics' `reason`.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
    /// Seconds after which trying again makes sense.
    pub(super) retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    fn later(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this path; see /openapi.json",
        )
    }

    pub(super) fn upgrade_required() -> Self {
        let text = "this path speaks WebSocket: send Upgrade: websocket, Sec-WebSocket-Version: 13 and \
                    a Sec-WebSocket-Key";
        Self::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", text)
    }

    pub(super) fn http_version() -> Self {
        let text = "a stream needs HTTP/1.1; with nginx: proxy_http_version 1.1";
        Self::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "http_version", text)
    }

    pub(super) fn origin() -> Self {
        let text = "this origin may not connect; add it to CAMPANILE_ALLOWED_ORIGINS";
        Self::new(StatusCode::FORBIDDEN, "origin_not_allowed", text)
    }

    pub(super) fn cookie_without_origin() -> Self {
        let text = "a token in a cookie needs an Origin header";
        Self::new(StatusCode::FORBIDDEN, "origin_required", text)
    }

    pub(super) fn draining() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "this replica is restarting")
            .later(1)
    }

    pub(super) fn full() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "full", "this replica holds all it may").later(5)
    }

    pub(super) fn unauthenticated() -> Self {
        let text = "too many Socket.IO connections have not shown a valid token yet";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unauthenticated", text).later(5)
    }

    pub(super) fn redis_away() -> Self {
        let text = "notifications cannot be heard at the moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "redis_away", text).later(2)
    }

    pub(super) fn user_limit(limit: u32) -> Self {
        let text = format!("this user has {limit} connections, the most allowed");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "user_limit", text).later(10)
    }

    pub(super) fn ip_rate() -> Self {
        let text = "too many connections a second from this address";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "ip_rate", text).later(1)
    }

    pub(super) fn publish_key() -> Self {
        let text = "send Authorization: Bearer <one of CAMPANILE_PUBLISH_KEYS>";
        Self::new(StatusCode::UNAUTHORIZED, "publish_key_invalid", text)
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let text = format!("the body exceeds {limit} bytes; send several requests");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text)
    }

    pub(super) fn body_too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took too long to arrive")
    }

    pub(super) fn publish_off() -> Self {
        let text = "the publish API is off; set CAMPANILE_PUBLISH_KEYS";
        Self::new(StatusCode::NOT_FOUND, "publish_api_off", text)
    }

    pub(super) fn body(&self) -> String {
        let (code, message) = (self.code, json!(self.message));
        format!(r#"{{"success":false,"error":{{"code":"{code}","message":{message}}}}}"#)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        let refusal = Self::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string());
        match error {
            AuthError::KeysUnavailable => {
                Self { status: StatusCode::SERVICE_UNAVAILABLE, ..refusal.later(5) }
            }
            _ => refusal,
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type("application/json").insert_header(("cache-control", "no-store"));
        if let Some(seconds) = self.retry_after {
            response.insert_header(("retry-after", seconds.to_string()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header(("www-authenticate", "Bearer"));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            response.insert_header(("upgrade", "websocket"));
            response.insert_header(("sec-websocket-version", "13"));
        }
        response.body(self.body())
    }
}
