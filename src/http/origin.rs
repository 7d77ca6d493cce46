//! Which web pages may talk to us.

use crate::config::Origins;

/// Whether a request with this `Origin` (RFC 6454 §7) is let in. Without one it does not come from a
/// page in a browser.
pub(super) fn is_allowed(origin: Option<&str>, host: Option<&str>, allowed: &Origins) -> bool {
    let Some(origin) = origin else { return true };
    let origin = origin.to_ascii_lowercase();
    match allowed {
        Origins::Any => true,
        Origins::List(list) => {
            list.iter().any(|one| without_default_port(one) == without_default_port(&origin))
        }
        Origins::SameHost => {
            let Some((scheme, authority)) = origin.split_once("://") else { return false };
            // `Host` leaves a default port out, but a proxy may have added one.
            host.is_some_and(|host| {
                let host = format!("{scheme}://{}", host.to_ascii_lowercase());
                without_default_port(&host)
                    == without_default_port(&format!("{scheme}://{authority}"))
            })
        }
    }
}

fn without_default_port(origin: &str) -> &str {
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).unwrap_or(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        let list =
            Origins::List(vec!["https://app.example.com".into(), "http://localhost:5173".into()]);
        let same = Origins::SameHost;
        let cases = [
            (None, None, &list, true),
            (Some("https://app.example.com"), None, &list, true),
            (Some("https://APP.example.com:443"), None, &list, true),
            (Some("http://app.example.com"), None, &list, false),
            (Some("https://app.example.com.evil.org"), None, &list, false),
            (Some("http://localhost:5173"), None, &list, true),
            (Some("http://localhost:5174"), None, &list, false),
            (Some("null"), None, &list, false),
            (Some("https://a.org"), Some("a.org"), &same, true),
            (Some("https://a.org"), Some("a.org:443"), &same, true),
            (Some("http://a.org:8080"), Some("a.org:8080"), &same, true),
            (Some("http://a.org:8080"), Some("a.org"), &same, false),
            (Some("https://evil.org"), Some("a.org"), &same, false),
            (Some("null"), Some("a.org"), &same, false),
            (Some("https://a.org"), None, &same, false),
            (Some("https://evil.org"), Some("a.org"), &Origins::Any, true),
        ];
        for (origin, host, allowed, want) in cases {
            assert_eq!(
                is_allowed(origin, host, allowed),
                want,
                "{origin:?} at {host:?}, {allowed:?}"
            );
        }
    }
}
