//! One client socket: connect, then read until it closes.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::fleet::{Hello, Local, Plan};
use super::frame::{Event, FrameReader, close, pong};
use super::handshake::{Opening, upgrade};

/// Time for connecting and for the handshake, each; a SYN that meets a full backlog is retried by
/// the kernel after 1, 3 and 7 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sockets per source address: below the 28,232 ports of Linux's default range. Sources begin at
/// 127.0.0.2, since 127.0.0.1 has the ports of the servers that the tool starts.
const SOCKETS_PER_SOURCE: usize = 10_000;

/// Why a socket ended.
pub(super) enum End {
    /// A close frame with this code.
    Code(Option<u16>),
    /// End of stream or an error without a close frame.
    Lost,
}

impl End {
    /// In words, for the counts of sockets that ended.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Code(Some(code)) => format!("close code {code}"),
            Self::Code(None) => "close without a code".to_owned(),
            Self::Lost => "connection lost".to_owned(),
        }
    }
}

/// Connects socket number `index` of the plan and returns the bytes that came behind the handshake.
pub(super) async fn connect(index: usize, plan: &Plan) -> Result<(TcpStream, Vec<u8>)> {
    let mut stream = dial(index, plan.address).await?;
    let Hello::WebSocket { host, path, tokens } = &plan.hello else {
        return Ok((stream, Vec::new()));
    };
    let token = tokens.get(index).context("a socket without a token")?;
    let rest = greet(&mut stream, &Opening { host, path, token, protocol: None }).await?;
    Ok((stream, rest))
}

/// Connects to `address`; the source address depends on `index`.
pub(super) async fn dial(index: usize, address: SocketAddr) -> Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let IpAddr::V4(ip) = address.ip()
        && ip.is_loopback()
    {
        let host = u8::try_from(2 + index / SOCKETS_PER_SOURCE).context("too many sockets")?;
        socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).context("no free source port")?;
    }
    let stream = timeout(PATIENCE, socket.connect(address))
        .await
        .with_context(|| format!("{address} did not accept within {PATIENCE:?}"))?
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    // Closing resets: 19,000 ports in TIME-WAIT for a minute would starve the next round.
    stream.set_zero_linger()?;
    Ok(stream)
}

/// Upgrades the stream and returns the bytes that came behind the answer.
pub(super) async fn greet(stream: &mut TcpStream, opening: &Opening<'_>) -> Result<Vec<u8>> {
    timeout(PATIENCE, upgrade(stream, opening))
        .await
        .with_context(|| format!("no answer to the handshake within {PATIENCE:?}"))?
}

/// Reads the socket until it ends; answers pings and close frames.
pub(super) async fn receive(
    index: usize,
    mut stream: TcpStream,
    rest: Vec<u8>,
    local: Rc<Local>,
) -> End {
    let mut reader = FrameReader::default();
    let mut answers = Answers::default();
    if answers.take(&mut reader, &rest, index, &local).is_err() {
        return End::Lost;
    }
    drop(rest);
    loop {
        if !answers.bytes.is_empty() {
            let bytes = std::mem::take(&mut answers.bytes);
            if stream.write_all(&bytes).await.is_err() {
                return End::Lost;
            }
        }
        if let Some(end) = answers.closed.take() {
            return end;
        }
        // The read buffer is the thread's, so it is borrowed and emptied within one poll.
        // `poll_read` and not `try_read`: a short read tells tokio that the socket is empty, which
        // saves the second system call.
        let more = poll_fn(|context| {
            let mut buffer = local.buffer.borrow_mut();
            let mut buffer = ReadBuf::new(&mut buffer);
            if ready!(Pin::new(&mut stream).poll_read(context, &mut buffer)).is_err() {
                return Poll::Ready(false);
            }
            let read = buffer.filled();
            let taken = answers.take(&mut reader, read, index, &local);
            Poll::Ready(!read.is_empty() && taken.is_ok())
        });
        if !more.await {
            return End::Lost;
        }
    }
}

/// What the socket owes its server.
#[derive(Default)]
struct Answers {
    bytes: Vec<u8>,
    closed: Option<End>,
}

impl Answers {
    fn take(
        &mut self,
        reader: &mut FrameReader,
        chunk: &[u8],
        index: usize,
        local: &Local,
    ) -> Result<()> {
        let now = local.clock.now();
        let mut recorder = local.recorder.borrow_mut();
        reader.feed(chunk, |event| match event {
            Event::Message(payload) => recorder.message(index, payload, now),
            Event::Ping(payload) => self.bytes.extend(pong(payload)),
            Event::Pong => {}
            Event::Close(code) => {
                self.closed = Some(End::Code(code));
                self.bytes.extend(close());
            }
        })?;
        local.publish_count(recorder.received());
        Ok(())
    }
}
