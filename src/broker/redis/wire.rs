//! A connection that listens: what is read and not yet understood, what is asked and not yet answered.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout};

use super::connect::{CONNECT_TIMEOUT, Endpoint, Stream};
use super::resp;

/// A command that Redis does not take for this long ends the link.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const READ_BUFFER: usize = 64 * 1024;

/// Why a link ended; for logs.
pub(super) type Ended = String;

/// The connection and what is known of it.
pub(super) struct Wire {
    input: ReadHalf<Stream>,
    output: WriteHalf<Stream>,
    pub(super) buffer: BytesMut,
    /// Bytes of an oversized payload still to come.
    pub(super) skip: usize,
    pub(super) unconfirmed: usize,
    /// Everyone whom the hub held when the link was made has been asked for.
    pub(super) all_asked_for: bool,
    /// When the first of the PINGs went out since which nothing was heard. Not the time of what was
    /// heard last: to a process that was frozen, that is long ago on the best of links.
    pub(super) asked: Option<Instant>,
}

impl Wire {
    /// Connects and signs in. Whether Redis lets it in shows in its answers.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, Ended> {
        let stream = match timeout(CONNECT_TIMEOUT, endpoint.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_elapsed) => return Err("connecting took too long".into()),
        };
        let mut wire = Self::new(stream);
        if let (user, Some(password)) = endpoint.credentials() {
            let words: Vec<&[u8]> = [Some("AUTH"), user, Some(password)]
                .into_iter()
                .flatten()
                .map(str::as_bytes)
                .collect();
            wire.send(&words).await?;
        }
        Ok(wire)
    }

    fn new(stream: Stream) -> Self {
        let (input, output) = tokio::io::split(stream);
        Self {
            input,
            output,
            buffer: BytesMut::with_capacity(READ_BUFFER),
            skip: 0,
            unconfirmed: 0,
            all_asked_for: false,
            asked: None,
        }
    }

    pub(super) async fn read(&mut self) -> Result<(), Ended> {
        self.buffer.reserve(READ_BUFFER);
        match self.input.read_buf(&mut self.buffer).await {
            Ok(0) => return Err("Redis closed the connection".into()),
            Ok(_) => self.asked = None,
            Err(error) => return Err(error.to_string()),
        }
        let skipped = self.skip.min(self.buffer.len());
        self.skip -= skipped;
        self.buffer.advance(skipped);
        Ok(())
    }

    pub(super) async fn subscribe(
        &mut self,
        channels: impl Iterator<Item = String>,
    ) -> Result<(), Ended> {
        let names: Vec<String> = channels.collect();
        self.unconfirmed += names.len();
        self.send_named("SUBSCRIBE", &names).await
    }

    pub(super) async fn unsubscribe(&mut self, names: &[String]) -> Result<(), Ended> {
        self.send_named("UNSUBSCRIBE", names).await
    }

    async fn send_named(&mut self, command: &str, names: &[String]) -> Result<(), Ended> {
        if names.is_empty() {
            return Ok(());
        }
        let words: Vec<&[u8]> =
            std::iter::once(command.as_bytes()).chain(names.iter().map(String::as_bytes)).collect();
        self.send(&words).await
    }

    pub(super) async fn send(&mut self, words: &[&[u8]]) -> Result<(), Ended> {
        let mut bytes = Vec::new();
        resp::command(words.iter().copied(), &mut bytes);
        let written = timeout(WRITE_TIMEOUT, async {
            self.output.write_all(&bytes).await?;
            self.output.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("Redis took no command for {WRITE_TIMEOUT:?}")),
        }
    }
}
