//! From where a client wants to go on.

use super::Refusal;
use crate::broker::log::Start;

/// `?cursor=C` or `?cursor=unread`, else what an event stream's `Last-Event-ID` says; `None`: from now on.
pub(super) fn start(
    query: Option<&str>,
    last_event_id: Option<&str>,
) -> Result<Option<Start>, Refusal> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let cursor = pairs.find(|(name, _)| *name == "cursor").map(|(_, value)| value);
    // The header is newer: a browser repeats the address as it was, and adds how far it came.
    match last_event_id.filter(|id| !id.is_empty()).or(cursor) {
        None | Some("") => Ok(None),
        Some("unread") => Ok(Some(Start::Unread(0))),
        Some(text) => text.parse().map(|cursor| Some(Start::After(cursor))).map_err(|bad| {
            Refusal::bad_request("bad_cursor", format!("{bad}, or is the word unread"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::Cursor;

    #[test]
    fn the_cursor_is_read_from_query_and_header() {
        let after = |position, at| Some(Start::After(Cursor { position, at }));
        let cases = [
            (None, None, None),
            (Some(""), None, None),
            (Some("cursor="), Some(""), None),
            (Some("token=x&cursor=7-100"), None, after(7, 100)),
            (Some("cursor=unread&x"), None, Some(Start::Unread(0))),
            (Some("cursor=7-100"), Some("9-120"), after(9, 120)),
        ];
        for (query, header, expected) in cases {
            assert_eq!(start(query, header).ok(), Some(expected), "{query:?} {header:?}");
        }
        for bad in ["cursor=7", "cursor=x-1", "cursor=-", "cursor=7-100%20"] {
            assert_eq!(start(Some(bad), None).err().map(|r| r.code), Some("bad_cursor"), "{bad}");
        }
    }
}
