//! The opening handshake of RFC 6455, section 4.1.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The sample key of section 1.3 with its known answer: a load tool needs no fresh nonce per
/// socket, and so no SHA-1.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longest answer head taken, bytes.
const MAX_HEAD: usize = 16 * 1024;

/// What a client asks for.
pub(super) struct Opening<'a> {
    pub(super) host: &'a str,
    /// With its query, if there is one.
    pub(super) path: &'a str,
    pub(super) token: &'a str,
    /// The subprotocol to speak.
    pub(super) protocol: Option<&'a str>,
}

/// Upgrades the stream and returns what arrived behind the answer's head.
pub(super) async fn upgrade(stream: &mut TcpStream, opening: &Opening<'_>) -> Result<Vec<u8>> {
    let Opening { host, path, token, protocol } = opening;
    let protocol =
        protocol.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{protocol}\
         Authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.context("sending the handshake")?;
    let mut bytes = Vec::with_capacity(512);
    let end = loop {
        if let Some(end) = head_end(&bytes) {
            break end;
        }
        ensure!(bytes.len() < MAX_HEAD, "the handshake's answer is longer than {MAX_HEAD} bytes");
        let read = stream.read_buf(&mut bytes).await.context("reading the handshake's answer")?;
        ensure!(read > 0, "the gateway closed the connection during the handshake");
    };
    check(&bytes[..end], &bytes[end..])?;
    Ok(bytes.split_off(end))
}

/// Where the head ends, behind its empty line.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn check(head: &[u8], body: &[u8]) -> Result<()> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        let body = String::from_utf8_lossy(body);
        let body: String = body.trim().chars().take(200).collect();
        bail!("the gateway answered the handshake with `{status}` {body}");
    }
    let accepted = lines.filter_map(|line| line.split_once(':')).any(|(name, value)| {
        name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
    });
    ensure!(accepted, "the gateway's Sec-WebSocket-Accept is missing or wrong");
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
        assert!(error(b"HTTP/1.1 101 OK\r\n\r\n", b"").contains("Sec-WebSocket-Accept"));
    }

    #[test]
    fn the_head_ends_behind_the_empty_line() {
        assert_eq!(head_end(b"HTTP/1.1 101 OK\r\n"), None);
        assert_eq!(head_end(b"a\r\n\r\nrest"), Some(5));
    }
}
