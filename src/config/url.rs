use std::net::Ipv6Addr;

/// What follows `scheme://`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// Host and port without user and password.
    pub(super) authority: &'a str,
    /// User and password as they stand.
    pub(super) credentials: Option<&'a str>,
    /// With its leading slash; may be empty.
    pub(super) path: &'a str,
    /// The query or the fragment.
    pub(super) more: Option<&'a str>,
}

pub(super) fn split(rest: &str) -> Address<'_> {
    let (before, more) = match rest.split_once(['?', '#']) {
        Some((before, more)) => (before, Some(more)),
        None => (rest, None),
    };
    let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
    let (credentials, authority) = match authority.rsplit_once('@') {
        Some((credentials, host)) => (Some(credentials), host),
        None => (None, authority),
    };
    Address { authority, credentials, path, more }
}

/// The host in lower case (IPv6 in brackets) and the port, when both are well formed.
pub(super) fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if authority.starts_with('[') {
        let (host, port) = authority.split_at(authority.find(']')? + 1);
        (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    let part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(part_of_name),
    };
    valid.then(|| (host.to_ascii_lowercase(), port))
}
