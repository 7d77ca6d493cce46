//! The user's own inbox over HTTP.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::api::success;
use super::{Gateway, Refusal};
use crate::broker::log::{Count, Mark};
use crate::inbox::{Failure, Query};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/notifications", web::get().to(list))
        .route("/notifications/unread_count", web::get().to(unread_count))
        .route("/notifications/read_all", web::post().to(read_all))
        .route("/notifications/{id}/read", web::post().to(read))
        .route("/notifications/{id}", web::delete().to(delete));
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<u32>,
    before: Option<String>,
    #[serde(default)]
    unread: bool,
}

async fn list(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    query: Result<web::Query<ListQuery>, actix_web::Error>,
) -> Result<HttpResponse, Refusal> {
    let user = gateway.user(request.head()).await?.user;
    let query = query.map_err(|error| Refusal::bad_request("bad_fields", error.to_string()))?;
    let ListQuery { limit, before, unread } = query.into_inner();
    let page = gateway.inbox.page(&user, Query { limit, before, unread }).await?;
    let page = RawValue::from_string(page)
        .map_err(|error| Refusal::bad_request("bad_fields", error.to_string()))?;
    Ok(success(&page))
}

async fn unread_count(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let user = gateway.user(request.head()).await?.user;
    Ok(counted(gateway.inbox.summary(&user).await?.count))
}

async fn read_all(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let user = gateway.user(request.head()).await?.user;
    Ok(counted(gateway.inbox.mark_all(&user).await?))
}

async fn read(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    mark(&gateway, &request, &id, Mark::Read).await
}

async fn delete(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    mark(&gateway, &request, &id, Mark::Deleted).await
}

async fn mark(
    gateway: &Gateway,
    request: &HttpRequest,
    id: &str,
    mark: Mark,
) -> Result<HttpResponse, Refusal> {
    let user = gateway.user(request.head()).await?.user;
    Ok(counted(gateway.inbox.mark(&user, id, mark).await?))
}

fn counted(count: Count) -> HttpResponse {
    success(&json!({"count": count.unread, "version": count.version}))
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let (code, text) = (failure.code(), failure.to_string());
        match failure {
            Failure::Disabled | Failure::NotFound => Self::new(StatusCode::NOT_FOUND, code, text),
            Failure::Cursor(_) => Self::bad_request(code, text),
            Failure::Away(away) => away.into(),
        }
    }
}
