//! A request's head, read the same way for upgrades and plain requests.

use actix_http::RequestHead;
use actix_web::http::header::HeaderName;

/// The first line of a header.
pub(super) fn text(head: &RequestHead, name: HeaderName) -> Option<&str> {
    head.headers().get(name)?.to_str().ok()
}

/// All lines of a header as one list.
pub(super) fn list(head: &RequestHead, name: HeaderName) -> String {
    list_by(head, name, ",")
}

/// All lines of a header as one.
pub(super) fn list_by(head: &RequestHead, name: HeaderName, separator: &str) -> String {
    let lines: Vec<&str> =
        head.headers().get_all(name).filter_map(|line| line.to_str().ok()).collect();
    lines.join(separator)
}
