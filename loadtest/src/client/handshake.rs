//! The opening handshake of RFC 6455, section 4.1.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The sample key of section 1.3 with its known answer: a load tool needs no fresh nonce per
/// socket, and so no SHA-1.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longest answer head taken, bytes.
const MAX_HEAD: usize = 16 * 1024;

/// What a client asks for.
pub(super) struct Opening<'a> {
    pub(super) host: &'a str,
    /// With its query, if there is one.
    pub(super) path: &'a str,
    /// For `Authorization`, if there is one.
    pub(super) token: Option<&'a str>,
    /// The subprotocol to speak.
    pub(super) protocol: Option<&'a str>,
}

/// Upgrades the stream and returns what arrived behind the answer's head.
pub(super) async fn upgrade(stream: &mut TcpStream, opening: &Opening<'_>) -> Result<Vec<u8>> {
    let Opening { host, path, token, protocol } = opening;
    let protocol =
        protocol.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let authorization =
        token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{protocol}\
         {authorization}\r\n"
    );
    stream.write_all(request.as_bytes()).await.context("sending the handshake")?;
    let mut bytes = Vec::with_capacity(512);
    let end = loop {
        if let Some(end) = head_end(&bytes) {
            break end;
        }
        ensure!(bytes.len() < MAX_HEAD, "the handshake's answer is longer than {MAX_HEAD} bytes");
        let read = stream.read_buf(&mut bytes).await.context("reading the handshake's answer")?;
        ensure!(read > 0, "the server closed the connection during the handshake");
    };
    check(&bytes[..end], &bytes[end..])?;
    Ok(bytes.split_off(end))
}

/// Where the head ends, behind its empty line.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// An answer other than 101.
#[derive(Debug)]
pub(super) struct Refused {
    status: String,
    body: String,
    /// Seconds until another attempt is welcome.
    pub(super) retry_after: Option<u32>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered the handshake with `{}`", self.status)?;
        match self.retry_after {
            Some(_) => write!(f, " and Retry-After {}", self.body),
            None => write!(f, " {}", self.body),
        }
    }
}

impl std::error::Error for Refused {}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then(|| value.trim()))
}

fn check(head: &[u8], body: &[u8]) -> Result<()> {
    let head = String::from_utf8_lossy(head);
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        let body = String::from_utf8_lossy(body);
        let body: String = body.trim().chars().take(200).collect();
        let retry_after = header(&head, "retry-after").and_then(|value| value.parse().ok());
        bail!(Refused { status: status.to_owned(), body, retry_after });
    }
    let accepted = header(&head, "sec-websocket-accept") == Some(ACCEPT);
    ensure!(accepted, "the server's Sec-WebSocket-Accept is missing or wrong");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_only_with_101_and_the_right_accept() {
        let good = b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        check(good, b"").unwrap();
        let error = |head: &[u8], body: &[u8]| check(head, body).unwrap_err().to_string();
        let refused = error(b"HTTP/1.1 401 Unauthorized\r\n\r\n", b"{\"success\":false}");
        assert!(refused.contains("401 Unauthorized") && refused.contains("success"), "{refused}");
        let busy = check(b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\n\r\n", b"").unwrap_err();
        assert_eq!(busy.downcast_ref::<Refused>().unwrap().retry_after, Some(3));
        assert!(error(b"HTTP/1.1 101 OK\r\n\r\n", b"").contains("Sec-WebSocket-Accept"));
    }

    #[test]
    fn the_head_ends_behind_the_empty_line() {
        assert_eq!(head_end(b"HTTP/1.1 101 OK\r\n"), None);
        assert_eq!(head_end(b"a\r\n\r\nrest"), Some(5));
    }
}
