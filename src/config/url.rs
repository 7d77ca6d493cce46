use std::net::Ipv6Addr;

/// What follows `scheme://`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// Host and port without user and password.
    pub(super) authority: &'a str,
    pub(super) has_credentials: bool,
    /// With its leading slash; may be empty.
    pub(super) path: &'a str,
    /// Whether a query or a fragment follows.
    pub(super) has_more: bool,
}

pub(super) fn split(rest: &str) -> Address<'_> {
    let (before, has_more) = match rest.split_once(['?', '#']) {
        Some((before, _)) => (before, true),
        None => (rest, false),
    };
    let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
    let (has_credentials, authority) = match authority.rsplit_once('@') {
        Some((_, host)) => (true, host),
        None => (false, authority),
    };
    Address { authority, has_credentials, path, has_more }
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
