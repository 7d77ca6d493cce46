//! Server-to-client framing of RFC 6455, section 5: an incremental reader that keeps bytes only
//! while a frame or a fragmented message is incomplete.

use std::fmt;

/// Longest message taken from a server, bytes; far above any notification.
const MAX_MESSAGE: usize = 1 << 20;

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A whole text or binary message, fragments joined.
    Message(&'a [u8]),
    /// A ping with its payload, to be echoed in a pong.
    Ping(&'a [u8]),
    /// An unasked or late pong.
    Pong,
    /// A close frame with its code, if it carried one.
    Close(Option<u16>),
}

/// Why a byte stream is not a server's side of RFC 6455.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Servers must not mask (section 5.1).
    Masked,
    /// No extension was negotiated, so the reserved bits must be zero (5.2).
    ReservedBits,
    /// An opcode nobody defined (5.2).
    Opcode(u8),
    /// A control frame that is fragmented or longer than 125 bytes (5.5).
    Control,
    /// A continuation without a start, or a start within a message (5.4).
    Fragment,
    /// Longer than this client accepts.
    TooLong,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masked => f.write_str("the server masked a frame"),
            Self::ReservedBits => f.write_str("a frame has reserved bits set"),
            Self::Opcode(opcode) => write!(f, "a frame has the unknown opcode {opcode:#x}"),
            Self::Control => f.write_str("a control frame is fragmented or too long"),
            Self::Fragment => f.write_str("message fragments are out of order"),
            Self::TooLong => write!(f, "a message is longer than {MAX_MESSAGE} bytes"),
        }
    }
}

impl std::error::Error for FrameError {}

struct Header {
    fin: bool,
    opcode: u8,
    /// Bytes of the header itself.
    size: usize,
    /// Bytes of the payload.
    length: usize,
}

impl Header {
    /// `None` while the header is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if second & 0x80 != 0 {
            return Err(FrameError::Masked);
        }
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        let (size, length) = match (second, rest) {
            (126, &[a, b, ..]) => (4, u64::from(u16::from_be_bytes([a, b]))),
            (127, rest) => match rest.first_chunk::<8>() {
                Some(length) => (10, u64::from_be_bytes(*length)),
                None => return Ok(None),
            },
            (126, _) => return Ok(None),
            (short, _) => (2, u64::from(short)),
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= MAX_MESSAGE)
            .ok_or(FrameError::TooLong)?;
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        match opcode {
            0..=2 => {}
            8..=10 if fin && length <= 125 => {}
            8..=10 => return Err(FrameError::Control),
            other => return Err(FrameError::Opcode(other)),
        }
        Ok(Some(Self { fin, opcode, size, length }))
    }
}

/// Turns the chunks of a TCP stream into [`Event`]s.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// The beginning of a frame whose end has not arrived.
    incomplete: Vec<u8>,
    /// The fragments of a message so far.
    fragments: Option<Vec<u8>>,
}

impl FrameReader {
    /// Reads one chunk and hands every event that it completes to `on_event`.
    pub(crate) fn feed(
        &mut self,
        chunk: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), FrameError> {
        if self.incomplete.is_empty() {
            let used = self.frames(chunk, &mut on_event)?;
            self.incomplete.extend_from_slice(&chunk[used..]);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.incomplete);
        bytes.extend_from_slice(chunk);
        let used = self.frames(&bytes, &mut on_event)?;
        // A fresh vector rather than `drain`, so that an idle socket keeps no capacity.
        if used < bytes.len() {
            self.incomplete = bytes[used..].to_vec();
        }
        Ok(())
    }

    /// Reads all whole frames and returns how many bytes they took.
    fn frames(
        &mut self,
        bytes: &[u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<usize, FrameError> {
        let mut used = 0;
        while let Some(header) = Header::parse(&bytes[used..])? {
            let start = used + header.size;
            let Some(payload) = bytes.get(start..start + header.length) else { break };
            used = start + header.length;
            self.frame(&header, payload, on_event)?;
        }
        Ok(used)
    }

    fn frame(
        &mut self,
        header: &Header,
        payload: &[u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), FrameError> {
        match (header.opcode, self.fragments.take()) {
            (8, _) => on_event(Event::Close(payload.first_chunk().map(|c| u16::from_be_bytes(*c)))),
            (9, fragments) => {
                self.fragments = fragments;
                on_event(Event::Ping(payload));
            }
            (10, fragments) => {
                self.fragments = fragments;
                on_event(Event::Pong);
            }
            (0, Some(mut message)) => {
                if message.len() + payload.len() > MAX_MESSAGE {
                    return Err(FrameError::TooLong);
                }
                message.extend_from_slice(payload);
                if header.fin {
                    on_event(Event::Message(&message));
                } else {
                    self.fragments = Some(message);
                }
            }
            (0, None) | (_, Some(_)) => return Err(FrameError::Fragment),
            (_, None) if header.fin => on_event(Event::Message(payload)),
            (_, None) => self.fragments = Some(payload.to_vec()),
        }
        Ok(())
    }
}

/// A masked pong that echoes a ping (5.5.3). The masking key is zero: masking protects proxies from
/// hostile pages (10.3), and this client's bytes come from the server itself.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    control(0x8a, payload)
}

/// A masked close frame with code 1000.
pub(crate) fn close() -> Vec<u8> {
    control(0x88, &1000_u16.to_be_bytes())
}

/// A masked text frame as a client writes it.
pub(crate) fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = text_frame(payload);
    let head = frame.len() - payload.len();
    frame[1] |= 0x80;
    frame.splice(head..head, [0; 4]);
    frame
}

fn control(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len().min(125)).unwrap_or(125);
    let mut frame = vec![first, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(&payload[..usize::from(length)]);
    frame
}

/// An unmasked text frame as a server writes it.
pub(crate) fn text_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> Result<Vec<String>, FrameError> {
        let mut reader = FrameReader::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            reader.feed(chunk, |event| {
                seen.push(match event {
                    Event::Message(bytes) if bytes.len() > 20 => format!("long {}", bytes.len()),
                    Event::Message(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    other => format!("{other:?}"),
                });
            })?;
        }
        assert_eq!(reader.incomplete.capacity() > 0, !reader.incomplete.is_empty());
        Ok(seen)
    }

    #[test]
    fn frames_of_every_length_survive_every_split() {
        let mut stream = text_frame(b"one");
        for length in [125, 126, 65_535, 65_536] {
            stream.extend(text_frame(&vec![b'x'; length]));
        }
        let want = ["one", "long 125", "long 126", "long 65535", "long 65536"];
        assert_eq!(read(&[&stream]).unwrap(), want);
        for at in (0..400).chain(stream.len() - 65_560..stream.len() - 65_500) {
            let (a, b) = stream.split_at(at);
            assert_eq!(read(&[a, b]).unwrap(), want, "split at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).take(300).collect();
        assert_eq!(read(&bytes).unwrap(), ["one", "long 125", "long 126"]);
    }

    #[test]
    fn fragments_are_joined_around_a_ping() {
        let stream = [b"\x01\x02he".as_slice(), b"\x89\x01p", b"\x00\x02ll", b"\x80\x01o"];
        assert_eq!(read(&stream).unwrap(), ["Ping([112])", "hello"]);
    }

    #[test]
    fn control_frames_are_told_apart() {
        assert_eq!(read(&[b"\x8a\x00", b"\x88\x00"]).unwrap(), ["Pong", "Close(None)"]);
        assert_eq!(read(&[b"\x88\x04\x0f\xa8by"]).unwrap(), ["Close(Some(4008))"]);
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for (bytes, error) in [
            (b"\x81\x80\0\0\0\0".as_slice(), FrameError::Masked),
            (b"\xc1\x00", FrameError::ReservedBits),
            (b"\x83\x00", FrameError::Opcode(3)),
            (b"\x09\x00", FrameError::Control),
            (b"\x89\x7e\x00\x7e", FrameError::Control),
            (b"\x80\x00", FrameError::Fragment),
            (b"\x01\x01a\x81\x01b", FrameError::Fragment),
            (b"\x82\x7f\0\0\0\0\x7f\xff\xff\xff", FrameError::TooLong),
        ] {
            assert_eq!(read(&[bytes]), Err(error), "{bytes:x?}");
        }
    }

    #[test]
    fn a_pong_is_masked_and_echoes() {
        assert_eq!(pong(b"hi"), b"\x8a\x82\0\0\0\0hi");
        assert_eq!(close(), b"\x88\x82\0\0\0\0\x03\xe8");
        assert_eq!(text(b"hi"), b"\x81\x82\0\0\0\0hi");
        assert_eq!(text(&[b'x'; 200])[..8], *b"\x81\xfe\0\xc8\0\0\0\0");
    }
}
