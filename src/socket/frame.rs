//! WebSocket frames (RFC 6455 §5): the server's outbound ones and an incremental reader of a client's.
//!
//! The reader works on the worker's buffer and copies bytes only while a frame is incomplete. It decides
//! on a frame's header, so a declared length never makes it wait for, or store, more than the limit.

use bytes::Bytes;

/// Longest header a frame can have: 2 bytes, 8 of length, 4 of mask.
const MAX_HEADER: usize = 14;
/// Room that [`text`] leaves in front of the payload; the server's frames have no mask.
const RESERVED: usize = 10;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A text frame whose payload `write` appends, encoded in one buffer.
pub fn text(capacity: usize, write: impl FnOnce(&mut String)) -> Bytes {
    let mut text = String::with_capacity(RESERVED + capacity);
    text.extend([' '; RESERVED]);
    write(&mut text);
    let mut buffer = text.into_bytes();
    let length = buffer.len() - RESERVED;
    let (header, header_length) = header(TEXT, length);
    let start = RESERVED - header_length;
    buffer[start..RESERVED].copy_from_slice(&header[..header_length]);
    Bytes::from(buffer).slice(start..)
}

/// `text` as one frame.
pub fn message(text: &str) -> Bytes {
    self::text(text.len(), |out| out.push_str(text))
}

/// A ping without payload.
pub fn ping() -> Bytes {
    Bytes::from_static(&[0x80 | PING, 0])
}

/// The answer to a ping; control payloads have at most 125 bytes.
pub fn pong(payload: &[u8]) -> Bytes {
    control(PONG, payload)
}

/// A close frame; `reason` is cut to 123 bytes.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(123)]);
    control(CLOSE, &payload)
}

/// The payloads of whole frames that this server made; those never have a mask.
pub fn payloads(mut frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (header, rest) = frames.split_at_checked(2)?;
        let extended = match header[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (number, rest) = rest.split_at_checked(extended)?;
        let long = number.iter().fold(0, |sum, &byte| (sum << 8) | usize::from(byte));
        let length = if extended == 0 { usize::from(header[1]) } else { long };
        let (payload, rest) = rest.split_at_checked(length)?;
        frames = rest;
        Some(payload)
    })
}

fn control(opcode: u8, payload: &[u8]) -> Bytes {
    let payload = &payload[..payload.len().min(125)];
    let (header, length) = header(opcode, payload.len());
    [&header[..length], payload].concat().into()
}

fn header(opcode: u8, length: usize) -> ([u8; RESERVED], usize) {
    let mut header = [0; RESERVED];
    header[0] = 0x80 | opcode;
    if let Ok(short @ 0..=125) = u8::try_from(length) {
        header[1] = short;
        (header, 2)
    } else if let Ok(medium) = u16::try_from(length) {
        header[1] = 126;
        header[2..4].copy_from_slice(&medium.to_be_bytes());
        (header, 4)
    } else {
        header[1] = 127;
        header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
        (header, 10)
    }
}

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// A whole message, put together from its fragments (RFC 6455 §5.4).
    Text(&'a str),
    /// A whole message; no dialect has any, so its payload is dropped.
    Binary,
    /// With up to 125 bytes to be echoed (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// Its payload is dropped: any frame proves that the peer lives.
    Pong,
    /// The code, if the frame had one (RFC 6455 §7.1.5).
    Close(Option<u16>),
}

/// Why a client's bytes end its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Declared longer than the limit.
    TooBig,
    /// Against RFC 6455 §5: unmasked, reserved bits, unknown opcode, misplaced continuation.
    Protocol,
    /// Text that is not UTF-8.
    Utf8,
}

/// What is kept of a connection's input between two reads: nothing, unless a frame or message is incomplete.
#[derive(Debug, Default)]
pub struct Reader {
    partial: Option<Box<Partial>>,
}

#[derive(Debug, Default)]
struct Partial {
    /// Bytes of a frame that is not complete.
    frame: Vec<u8>,
    /// Payload of a fragmented message so far, and whether it is text.
    message: Option<(bool, Vec<u8>)>,
}

impl Reader {
    /// Reads the frames in `chunk`, which is overwritten, and gives each to `on`. `on` answers whether to
    /// go on; after `false` the rest is dropped.
    ///
    /// # Errors
    /// [`Violation`]; the connection must be closed.
    pub fn feed(
        &mut self,
        chunk: &mut [u8],
        limit: usize,
        mut on: impl FnMut(Inbound<'_>) -> bool,
    ) -> Result<(), Violation> {
        let mut partial = self.partial.take().map(|boxed| *boxed).unwrap_or_default();
        if partial.frame.is_empty() {
            let rest = partial.frames(chunk, limit, &mut on)?;
            partial.frame = chunk[rest..].to_vec();
        } else {
            let mut joined = std::mem::take(&mut partial.frame);
            joined.extend_from_slice(chunk);
            let rest = partial.frames(&mut joined, limit, &mut on)?;
            partial.frame = joined[rest..].to_vec();
        }
        if !partial.frame.is_empty() || partial.message.is_some() {
            self.partial = Some(Box::new(partial));
        }
        Ok(())
    }
}

impl Partial {
    /// Takes complete frames off the front of `bytes`; answers where the incomplete rest starts.
    fn frames(
        &mut self,
        bytes: &mut [u8],
        limit: usize,
        on: &mut impl FnMut(Inbound<'_>) -> bool,
    ) -> Result<usize, Violation> {
        let mut at = 0;
        while let Some(header) = Header::read(&bytes[at..])? {
            let so_far = self.message.as_ref().map_or(0, |(_, message)| message.len());
            if header.length.saturating_add(so_far as u64) > limit as u64 && header.opcode < CLOSE {
                return Err(Violation::TooBig);
            }
            #[expect(clippy::cast_possible_truncation, reason = "at most the limit, or 125")]
            let end = at + header.size + header.length as usize;
            if end > bytes.len() {
                break;
            }
            let payload = &mut bytes[at + header.size..end];
            unmask(payload, header.mask);
            if !self.frame(&header, payload, on)? {
                return Ok(bytes.len());
            }
            at = end;
        }
        Ok(at)
    }

    fn frame(
        &mut self,
        header: &Header,
        payload: &[u8],
        on: &mut impl FnMut(Inbound<'_>) -> bool,
    ) -> Result<bool, Violation> {
        match (header.opcode, self.message.take()) {
            (CONTINUATION, Some((is_text, mut message))) => {
                message.extend_from_slice(payload);
                if header.fin {
                    return data(is_text, &message, on);
                }
                self.message = Some((is_text, message));
                Ok(true)
            }
            (opcode @ (TEXT | BINARY), None) if header.fin => data(opcode == TEXT, payload, on),
            (opcode @ (TEXT | BINARY), None) => {
                self.message = Some((opcode == TEXT, payload.to_vec()));
                Ok(true)
            }
            (opcode, message) => {
                self.message = message;
                match opcode {
                    PING => Ok(on(Inbound::Ping(payload))),
                    PONG => Ok(on(Inbound::Pong)),
                    CLOSE => match payload {
                        [] => Ok(on(Inbound::Close(None))),
                        [high, low, ..] => {
                            Ok(on(Inbound::Close(Some(u16::from_be_bytes([*high, *low])))))
                        }
                        [_] => Err(Violation::Protocol),
                    },
                    _ => Err(Violation::Protocol),
                }
            }
        }
    }
}

fn data(
    is_text: bool,
    payload: &[u8],
    on: &mut impl FnMut(Inbound<'_>) -> bool,
) -> Result<bool, Violation> {
    if !is_text {
        return Ok(on(Inbound::Binary));
    }
    std::str::from_utf8(payload).map(|text| on(Inbound::Text(text))).map_err(|_| Violation::Utf8)
}

/// Length of the first frame in `bytes`, once all of it is there.
///
/// # Errors
/// [`Violation`] as soon as its header shows one.
pub fn first_length(bytes: &[u8], limit: usize) -> Result<Option<usize>, Violation> {
    let Some(header) = Header::read(bytes)? else { return Ok(None) };
    let payload = usize::try_from(header.length).unwrap_or(usize::MAX);
    if payload > limit {
        return Err(Violation::TooBig);
    }
    let length = header.size + payload;
    Ok((bytes.len() >= length).then_some(length))
}

struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    length: u64,
    size: usize,
}

impl Header {
    /// `Ok(None)`: not complete yet.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
        let control = opcode >= CLOSE;
        let short = u64::from(second & 0x7F);
        // RFC 6455 §5.2 (no extension was negotiated), §5.1 (clients mask), §5.5 (control frames).
        if first & 0x70 != 0
            || second & 0x80 == 0
            || !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG)
            || (control && (!fin || short > 125))
        {
            return Err(Violation::Protocol);
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < extended {
            return Ok(None);
        }
        let (number, rest) = rest.split_at(extended);
        let length = if extended == 0 {
            short
        } else {
            number.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
        };
        let size = 2 + extended + 4;
        debug_assert!(size <= MAX_HEADER);
        // The length is known before the mask has arrived; `frames` must see it at once.
        let mask = rest.first_chunk().copied().unwrap_or_default();
        Ok(Some(Self { fin, opcode, mask, length, size }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for four in payload.chunks_mut(4) {
        for (byte, key) in four.iter_mut().zip(mask) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests;
