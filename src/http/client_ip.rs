//! Who is asking, seen through proxies that are trusted.

use std::net::IpAddr;

use ipnet::IpNet;

/// The client's address: the peer's, or, if that is a trusted proxy, the last address in
/// `X-Forwarded-For` (or `Forwarded`, RFC 7239 §5.2) that no trusted proxy has.
pub(super) fn client_ip(
    peer: IpAddr,
    forwarded_for: Option<&str>,
    forwarded: Option<&str>,
    trusted: &[IpNet],
) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let hops: Vec<&str> = match (forwarded_for, forwarded) {
        (Some(list), _) => list.split(',').collect(),
        (None, Some(list)) => list.split(',').filter_map(for_parameter).collect(),
        (None, None) => return peer,
    };
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Some(ip) = address(hop) else { break };
        client = ip;
        if !is_trusted(&ip) {
            break;
        }
    }
    client
}

fn for_parameter(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`, each perhaps in quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let cases = [
            ("1.2.3.4", Some("9.9.9.9"), None, "1.2.3.4"),
            ("10.0.0.1", None, None, "10.0.0.1"),
            ("10.0.0.1", Some("9.9.9.9"), None, "9.9.9.9"),
            ("10.0.0.1", Some("6.6.6.6, 9.9.9.9, 10.0.0.2"), None, "9.9.9.9"),
            ("10.0.0.1", Some("garbage"), None, "10.0.0.1"),
            ("10.0.0.1", Some("6.6.6.6, garbage, 10.0.0.2"), None, "10.0.0.2"),
            ("::1", Some("[2001:db8::1]:443"), None, "2001:db8::1"),
            ("::ffff:10.0.0.1", Some("9.9.9.9:1234"), None, "9.9.9.9"),
            (
                "10.0.0.1",
                None,
                Some("for=6.6.6.6;proto=https, For=\"[2001:db8::2]:80\""),
                "2001:db8::2",
            ),
        ];
        for (peer, forwarded_for, forwarded, want) in cases {
            let ip = client_ip(peer.parse().unwrap(), forwarded_for, forwarded, &trusted);
            assert_eq!(ip.to_string(), want, "{peer} {forwarded_for:?} {forwarded:?}");
        }
    }
}
