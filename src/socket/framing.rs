//! What a message is put into: a WebSocket frame, or a chunk of a response (RFC 9112 §7.1).

use bytes::Bytes;

use super::frame;
use crate::dialect::{Dialect, Form};
use crate::session::CloseReason;

/// Room for a chunk's size in hexadecimal and the line break behind it.
const CHUNK_HEAD: usize = 10;
/// Ends a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the messages of one connection are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// RFC 6455 §5.
    WebSocket,
    /// The body of an answer that goes on as long as the connection.
    Chunked,
}

impl Framing {
    /// The framing of clients of `form`.
    pub fn of(form: Form) -> Self {
        match form {
            Form::Envelope | Form::Campanile | Form::Bare | Form::SocketIo | Form::SocketIoRoot => {
                Self::WebSocket
            }
            Form::Sse => Self::Chunked,
        }
    }

    /// One message whose text `write` appends, encoded in one buffer of about `capacity` bytes.
    pub fn text(self, capacity: usize, write: impl FnOnce(&mut String)) -> Bytes {
        match self {
            Self::WebSocket => frame::text(capacity, write),
            Self::Chunked => chunk(capacity, write),
        }
    }

    /// `text` as one message.
    pub fn message(self, text: &str) -> Bytes {
        self.text(text.len(), |out| out.push_str(text))
    }
}

/// Shows the peer, and every proxy on the way, that the connection lives.
pub(super) fn ping(dialect: Dialect) -> Bytes {
    match dialect.comment() {
        Some(comment) => Framing::of(dialect.form()).message(comment),
        None => frame::ping(),
    }
}

/// The end of a connection, with the reason.
pub(super) fn close(dialect: Dialect, reason: CloseReason) -> Bytes {
    match dialect.farewell(reason.code(), reason.text(), reason.reconnect()) {
        Some(farewell) => [&Framing::Chunked.message(&farewell)[..], LAST_CHUNK].concat().into(),
        None => frame::close(reason.code(), reason.text()),
    }
}

fn chunk(capacity: usize, write: impl FnOnce(&mut String)) -> Bytes {
    let mut text = String::with_capacity(CHUNK_HEAD + capacity + 2);
    text.extend([' '; CHUNK_HEAD]);
    write(&mut text);
    let head = format!("{:X}\r\n", text.len() - CHUNK_HEAD);
    text.push_str("\r\n");
    let start = CHUNK_HEAD - head.len();
    let mut buffer = text.into_bytes();
    buffer[start..CHUNK_HEAD].copy_from_slice(head.as_bytes());
    Bytes::from(buffer).slice(start..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_says_its_length_in_hexadecimal() {
        let text = "x".repeat(300);
        assert_eq!(Framing::Chunked.message("abc"), "3\r\nabc\r\n");
        assert_eq!(Framing::Chunked.message(&text), format!("12C\r\n{text}\r\n"));
        assert_eq!(Framing::of(Form::Sse).text(0, |out| out.push('a')), "1\r\na\r\n");
    }

    #[test]
    fn a_stream_ends_with_the_reason_and_the_end_of_the_body() {
        let end = close(Dialect::Sse, CloseReason::TokenExpired);
        let text = std::str::from_utf8(&end).unwrap();
        assert!(text.contains("event: close\ndata: {\"code\":4001,"), "{text}");
        assert!(text.contains("\"reconnect\":false}\n\n\r\n0\r\n\r\n"), "{text}");
        assert_eq!(ping(Dialect::Sse), "4\r\n: \n\n\r\n");
    }
}
