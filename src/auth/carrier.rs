//! Where a request carries its token. Pure: plain texts in, borrowed texts out.

use std::borrow::Cow;

/// Begins the subprotocol that carries a token: browsers cannot set headers on a WebSocket.
const BEARER_PROTOCOL: &str = "bearer.";
const QUERY_KEY: &str = "token";

/// The parts of a request that may hold a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Sec-WebSocket-Protocol`, several header lines joined with commas.
    pub protocols: Option<&'a str>,
    /// The raw query string, without `?`.
    pub query: Option<&'a str>,
    /// `Cookie`, several header lines joined with `; `.
    pub cookies: Option<&'a str>,
}

/// Where a token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `Authorization: Bearer` (RFC 6750 §2.1), which browsers cannot set on a WebSocket.
    Authorization,
    /// `bearer.<token>`, offered beside another subprotocol (RFC 6455 §11.3.4).
    Subprotocol,
    /// `?token=`: ends up in the logs of proxies, and [`redact_query`] keeps it out of ours.
    Query,
    /// Browsers send it from any page, so the caller must require an allowed Origin.
    Cookie,
}

/// A token as it was carried; not verified. Has no `Debug`, so that it cannot slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Not empty; percent-decoded when it came in the query.
    pub token: Cow<'a, str>,
    /// Decides whether an Origin is required, see [`Carrier::Cookie`].
    pub carrier: Carrier,
}

/// The first token of: `Authorization: Bearer`, subprotocol, `?token=` if `query_token`, the cookie
/// named `cookie`. Empty tokens are passed over.
pub fn find<'a>(
    request: &Request<'a>,
    query_token: bool,
    cookie: Option<&str>,
) -> Option<Found<'a>> {
    let header = || Some(Cow::Borrowed(bearer(request.authorization?)?));
    let protocol = || Some(Cow::Borrowed(bearer_protocol(request.protocols?)?));
    let query = || query_value(request.query.filter(|_| query_token)?);
    let cookie = || Some(Cow::Borrowed(cookie_value(request.cookies?, cookie?)?));

    let found = |carrier| move |token| Found { token, carrier };
    header()
        .map(found(Carrier::Authorization))
        .or_else(|| protocol().map(found(Carrier::Subprotocol)))
        .or_else(|| query().map(found(Carrier::Query)))
        .or_else(|| cookie().map(found(Carrier::Cookie)))
}

/// The subprotocol to answer with: the first offered one that is `known`, else the first that
/// carries no token, since browsers give up when all they offered is left unanswered. `None` when
/// there is none; a token must never be echoed.
pub fn choose_protocol<'a>(offered: &'a str, known: &[&str]) -> Option<&'a str> {
    let plain = || protocols(offered).filter(|name| !name.starts_with(BEARER_PROTOCOL));
    plain().find(|name| known.contains(name)).or_else(|| plain().next())
}

/// The query string with the values of `token` replaced by `***`, for logs. Also finds spellings
/// that [`find`] does not accept, such as `%74oken=` and `Token=`.
pub fn redact_query(query: &str) -> Cow<'_, str> {
    let is_secret = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(key, _)| percent_decode(key).trim().eq_ignore_ascii_case(QUERY_KEY))
    };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if is_secret(pair) => Cow::Owned(format!("{key}=***")),
        _ => Cow::Borrowed(pair),
    });
    Cow::Owned(pairs.collect::<Vec<_>>().join("&"))
}

/// RFC 6750 §2.1; the scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Counts only beside another protocol: alone it would have to be echoed, or the browser gives up.
fn bearer_protocol(offered: &str) -> Option<&str> {
    choose_protocol(offered, &[])?;
    protocols(offered)
        .find_map(|name| name.strip_prefix(BEARER_PROTOCOL))
        .filter(|token| !token.is_empty())
}

fn protocols(offered: &str) -> impl Iterator<Item = &str> {
    offered.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn query_value(query: &str) -> Option<Cow<'_, str>> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, value)| *key == QUERY_KEY && !value.is_empty())
        .map(|(_, value)| percent_decode(value))
}

/// RFC 6265 §5.4; a quoted value loses its quotes.
fn cookie_value<'a>(cookies: &'a str, wanted: &str) -> Option<&'a str> {
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| {
            value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
        })
        .find(|value| !value.is_empty())
}

/// Leaves what is no `%` and two hex digits as it is; bytes that are not UTF-8 become U+FFFD.
fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte = match after {
            [high, low, ..] if first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = byte {
            decoded.push(high << 4 | low);
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(first);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(request: &Request<'_>) -> Option<(String, Carrier)> {
        find(request, true, Some("session")).map(|it| (it.token.into_owned(), it.carrier))
    }

    #[test]
    fn the_first_carrier_in_order_wins() {
        let mut request = Request {
            authorization: Some("Bearer a"),
            protocols: Some("campanile.v1, bearer.b"),
            query: Some("token=c"),
            cookies: Some("session=d"),
        };
        assert_eq!(found(&request), Some(("a".into(), Carrier::Authorization)));
        request.authorization = None;
        assert_eq!(found(&request), Some(("b".into(), Carrier::Subprotocol)));
        request.protocols = None;
        assert_eq!(found(&request), Some(("c".into(), Carrier::Query)));
        request.query = None;
        assert_eq!(found(&request), Some(("d".into(), Carrier::Cookie)));
        request.cookies = None;
        assert_eq!(found(&request), None);
    }

    #[test]
    fn the_authorization_scheme_is_case_insensitive() {
        for (header, expected) in [
            ("Bearer x.y.z", Some("x.y.z")),
            ("bearer x.y.z", Some("x.y.z")),
            ("BEARER   x.y.z ", Some("x.y.z")),
            ("Basic dTpw", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearerx.y.z", None),
            ("", None),
        ] {
            assert_eq!(bearer(header), expected, "{header:?}");
        }
    }

    #[test]
    fn a_bearer_subprotocol_counts_only_beside_another() {
        for (offered, token, answer) in [
            ("campanile.v1, bearer.x.y.z", Some("x.y.z"), Some("campanile.v1")),
            ("bearer.x.y.z,campanile.v1", Some("x.y.z"), Some("campanile.v1")),
            ("chat, campanile.v1, bearer.x", Some("x"), Some("campanile.v1")),
            ("chat, bearer.x", Some("x"), Some("chat")),
            ("campanile.v1", None, Some("campanile.v1")),
            ("campanile.v1, bearer.", None, Some("campanile.v1")),
            ("bearer.x", None, None),
            ("bearer.x, bearer.y", None, None),
            (" , ", None, None),
            ("", None, None),
        ] {
            assert_eq!(bearer_protocol(offered), token, "{offered:?}");
            assert_eq!(choose_protocol(offered, &["campanile.v1"]), answer, "{offered:?}");
        }
    }

    #[test]
    fn the_query_token_is_percent_decoded() {
        for (query, expected) in [
            ("token=x.y.z", Some("x.y.z")),
            ("cursor=7&token=x%2Ey%2ez&a=b", Some("x.y.z")),
            ("token=&token=x", Some("x")),
            ("token=a%", Some("a%")),
            ("token=a%2", Some("a%2")),
            ("token=a%zz%41", Some("a%zzA")),
            ("token=%ff", Some("\u{fffd}")),
            ("token=a=b", Some("a=b")),
            ("token", None),
            ("token=", None),
            ("xtoken=x", None),
            ("Token=x", None),
            ("", None),
        ] {
            assert_eq!(query_value(query).as_deref(), expected, "{query:?}");
        }
    }

    #[test]
    fn query_and_cookie_count_only_when_enabled() {
        let request = Request {
            query: Some("token=c"),
            cookies: Some("a=1; session=\"d\""),
            ..Request::default()
        };
        assert!(find(&request, false, None).is_none());
        assert!(find(&request, false, Some("other")).is_none());
        let cookie = find(&request, false, Some("session")).unwrap();
        assert_eq!((&*cookie.token, cookie.carrier), ("d", Carrier::Cookie));
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        for (cookies, expected) in [
            ("session=x", Some("x")),
            ("a=b;session=x;c=d", Some("x")),
            ("session=; session=x", Some("x")),
            ("session=a=b", Some("a=b")),
            ("xsession=x; sessionx=y", None),
            ("session", None),
            ("Session=x", None),
        ] {
            assert_eq!(cookie_value(cookies, "session"), expected, "{cookies:?}");
        }
    }

    #[test]
    fn logs_never_show_a_query_token() {
        for (query, expected) in [
            ("token=x.y.z", "token=***"),
            ("cursor=7&token=x&limit=2", "cursor=7&token=***&limit=2"),
            ("token=a&token=b", "token=***&token=***"),
            ("TOKEN=a&%74oke%6e=b", "TOKEN=***&%74oke%6e=***"),
            ("token=a=b", "token=***"),
            ("mytoken=a&token", "mytoken=a&token"),
            ("", ""),
        ] {
            assert_eq!(redact_query(query), expected, "{query:?}");
        }
    }

    proptest! {
        #[test]
        fn no_request_panics_and_what_is_found_is_redacted(
            authorization in ".{0,40}",
            protocols in ".{0,40}",
            query in "(token=|%|[0-9a-f&=]|\\PC){0,20}",
            cookies in ".{0,40}",
        ) {
            let request = Request {
                authorization: Some(&authorization),
                protocols: Some(&protocols),
                query: Some(&query),
                cookies: Some(&cookies),
            };
            let _found = found(&request);
            let _chosen = choose_protocol(&protocols, &["campanile.v1"]);
            let logged = redact_query(&query);
            let shown = query_value(&logged);
            prop_assert!(shown.as_deref().is_none_or(|value| value == "***"), "{}", logged);
        }
    }
}
