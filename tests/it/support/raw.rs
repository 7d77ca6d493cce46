//! A WebSocket client of bare bytes: wrong frames, half frames, and no reading at all.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::handshake::Upgraded;
use super::wait::{PATIENCE, within};

/// What follows the handshake is entirely the test's. Nothing is read unless asked for.
pub(crate) struct RawClient {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One frame as it came, unmasked by the standard's rule that servers do not mask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) fin: bool,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// Header and mask of a client's final frame that declares `length` payload bytes
/// (RFC 6455, 5.2). The mask is zero, so payload bytes go out as they are.
pub(crate) fn frame_header(opcode: u8, length: u64) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut header = vec![0x80 | opcode];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => header.push(MASKED + short),
        (_, Ok(medium)) => {
            header.push(MASKED + 126);
            header.extend(medium.to_be_bytes());
        }
        _ => {
            header.push(MASKED + 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend([0; 4]);
    header
}

/// A whole client's frame.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame_header(opcode, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

impl RawClient {
    pub(super) fn new(upgraded: Upgraded) -> Self {
        Self { stream: upgraded.stream, unread: upgraded.head.rest }
    }

    /// Writes these bytes as they are; fails when the gateway has closed.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within("the gateway takes the bytes", PATIENCE, self.stream.write_all(bytes)).await
    }

    /// The next frame; `None` at the end of the stream, also when it is in the middle of one.
    pub(crate) async fn next_frame(&mut self) -> Option<Frame> {
        within("a frame arrives", PATIENCE, async {
            loop {
                if let Some((frame, length)) = parse(&self.unread) {
                    self.unread.drain(..length);
                    return Some(frame);
                }
                if self.read_some().await == 0 {
                    return None;
                }
            }
        })
        .await
    }

    /// Code and reason of the close frame, past all other frames; as `Client::next_close`.
    pub(crate) async fn next_close(&mut self) -> (u16, String) {
        while let Some(frame) = self.next_frame().await {
            if frame.opcode == CLOSE {
                return match frame.payload.split_first_chunk() {
                    Some((code, reason)) => {
                        (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned())
                    }
                    None => (1005, String::new()),
                };
            }
        }
        (1006, String::new())
    }

    /// Everything up to the end of the stream; panics when it does not end in time.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        within("the stream ends", PATIENCE, async { while self.read_some().await > 0 {} }).await;
        std::mem::take(&mut self.unread)
    }

    /// A reset counts as the end.
    async fn read_some(&mut self) -> usize {
        self.stream.read_buf(&mut self.unread).await.unwrap_or(0)
    }
}

fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert_eq!(second & 0x80, 0, "a server must not mask (RFC 6455, 5.1)");
    let (length, rest) = match second {
        126 => rest.split_first_chunk().map(|(n, rest)| (u16::from_be_bytes(*n).into(), rest))?,
        127 => rest.split_first_chunk().map(|(n, rest)| (u64::from_be_bytes(*n), rest))?,
        short => (short.into(), rest),
    };
    let header = bytes.len() - rest.len();
    let length = usize::try_from(length).expect("a frame that fits into memory");
    let payload = rest.get(..length)?.to_vec();
    let frame = Frame { opcode: first & 0x0F, fin: first & 0x80 != 0, payload };
    Some((frame, header + length))
}
