use actix_web::HttpResponse;

/// The API as OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT)
}
