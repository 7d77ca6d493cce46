//! An HTTP/1.1 client that does one exchange and shows exactly what came back.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wait::{PATIENCE, within};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In the order received.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the {} body {}", self.status, self.text()))
    }
}

/// One request on a connection of its own; panics when there is no whole answer in time.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    within(&format!("{method} {path} is answered"), PATIENCE, async {
        try_request(address, method, path, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    })
    .await
}

/// As [`request`], but without a deadline and with the errors of the connection.
pub(crate) async fn try_request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = head(address, method, path, headers);
    head.push_str("Connection: close\r\n");
    if !body.is_empty() || method == "POST" {
        write!(head, "Content-Length: {}\r\n", body.len()).expect("writes to a string");
    }
    head.push_str("\r\n");
    // A server that refuses early may close before it has read the body; its answer counts.
    let mut message = head.into_bytes();
    message.extend_from_slice(body);
    let sent = stream.write_all(&message).await;
    match Head::read(&mut stream).await {
        Ok(head) => head.read_body(&mut stream).await,
        Err(error) => Err(sent.err().unwrap_or(error)),
    }
}

/// Request line and headers, without the empty line at the end; `Host` unless given.
pub(crate) fn head(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        write!(head, "Host: {address}\r\n").expect("writes to a string");
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("writes to a string");
    }
    head
}

/// Status and headers, and the bytes that were read beyond them.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) rest: Vec<u8>,
}

impl Head {
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = bytes.split_off(end + 4);
                return Self::parse(&bytes, rest)
                    .ok_or_else(|| io::Error::other("not the head of an HTTP answer"));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Err(io::Error::other(format!("closed after {text:?}")));
            }
        }
    }

    fn parse(bytes: &[u8], rest: Vec<u8>) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<_>>()?;
        Some(Self { status, headers, rest })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Reads on to the end of the body: by its length, its chunks, or the end of the stream.
    pub(crate) async fn read_body(
        self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Response> {
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        let chunked = self.header("transfer-encoding") == Some("chunked");
        let Self { status, headers, rest: mut body } = self;
        loop {
            if let Some(whole) = chunked.then(|| unchunk(&body)).flatten() {
                body = whole;
                break;
            }
            if length.is_some_and(|length: usize| body.len() >= length)
                || matches!(status, 101 | 204 | 304)
            {
                break;
            }
            if stream.read_buf(&mut body).await? == 0 {
                if chunked || length.is_some() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                break;
            }
        }
        Ok(Response { status, headers, body })
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The body of whole chunks (RFC 9112, 7.1); `None` until the last one is there.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
        if size == 0 {
            return Some(body);
        }
    }
}
