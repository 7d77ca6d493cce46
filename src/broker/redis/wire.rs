//! A connection that listens: what is read and not yet understood, what is asked and not yet answered.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout};

use super::connect::{CONNECT_TIMEOUT, Node, Stream};
use super::nodes::Nodes;
use super::resp::{self, Reply};
use crate::broker::Away;

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
    pub(super) shard: Option<Shard>,
}

/// What a link of sharded pub/sub knows besides.
#[derive(Default)]
pub(super) struct Shard {
    /// Commands that are still to be answered, in order.
    commands: VecDeque<Asked>,
    /// Channels that Redis left by itself, or refuses, because their slot is elsewhere.
    pub(super) lost: Vec<String>,
}

struct Asked {
    slot: u16,
    is_to_leave: bool,
    /// The slot was found elsewhere since.
    is_void: bool,
    names: VecDeque<String>,
}

impl Wire {
    /// Connects to any of the masters and signs in. Whether Redis lets it in shows in its answers.
    pub(super) async fn open(nodes: &Nodes) -> Result<(Self, Node), Ended> {
        let node = nodes.any().await.map_err(|Away(why)| why)?;
        let door = &nodes.topology.door;
        let stream = match timeout(CONNECT_TIMEOUT, door.connect(&node)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_elapsed) => return Err("connecting took too long".into()),
        };
        let mut wire = Self::new(stream, false);
        wire.introduce(door.credentials()).await?;
        Ok((wire, node))
    }

    pub(super) fn new(stream: Stream, is_sharded: bool) -> Self {
        let (input, output) = tokio::io::split(stream);
        Self {
            input,
            output,
            buffer: BytesMut::with_capacity(READ_BUFFER),
            skip: 0,
            unconfirmed: 0,
            all_asked_for: false,
            asked: None,
            shard: is_sharded.then(Shard::default),
        }
    }

    /// Says who we are, if there is something to say.
    pub(super) async fn introduce(
        &mut self,
        (user, password): (Option<&str>, Option<&str>),
    ) -> Result<(), Ended> {
        let Some(password) = password else { return Ok(()) };
        let words: Vec<&[u8]> =
            [Some("AUTH"), user, Some(password)].into_iter().flatten().map(str::as_bytes).collect();
        self.send(&words).await
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

    /// Takes every complete reply out of the buffer; payloads beyond `limit` are skipped.
    pub(super) fn each_reply(
        &mut self,
        limit: usize,
        mut take: impl FnMut(&mut Self, &Reply<'_>) -> Result<(), Ended>,
    ) -> Result<(), Ended> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        while self.skip == 0 {
            let reply = resp::read(&buffer[at..], limit);
            let Some((reply, length)) = reply.map_err(|_| "what came is not RESP2")? else { break };
            at += length;
            take(self, &reply)?;
            let skipped = self.skip.min(buffer.len() - at);
            self.skip -= skipped;
            at += skipped;
        }
        self.buffer = buffer;
        self.buffer.advance(at);
        Ok(())
    }

    pub(super) async fn subscribe(
        &mut self,
        channels: impl Iterator<Item = String>,
    ) -> Result<(), Ended> {
        self.subscribe_as("SUBSCRIBE", channels).await
    }

    /// With another word, such as `PSUBSCRIBE`; a link that is no shard's has one list of all.
    pub(super) async fn subscribe_as(
        &mut self,
        word: &str,
        channels: impl Iterator<Item = String>,
    ) -> Result<(), Ended> {
        let names: Vec<String> = channels.collect();
        self.unconfirmed += names.len();
        self.send_named(word, &names).await
    }

    pub(super) async fn unsubscribe(&mut self, names: &[String]) -> Result<(), Ended> {
        self.unsubscribe_as("UNSUBSCRIBE", names).await
    }

    pub(super) async fn unsubscribe_as(
        &mut self,
        word: &str,
        names: &[String],
    ) -> Result<(), Ended> {
        self.send_named(word, names).await
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
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let written = timeout(WRITE_TIMEOUT, async {
            self.output.write_all(bytes).await?;
            self.output.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("Redis took no command for {WRITE_TIMEOUT:?}")),
        }
    }

    /// Subscribes to sharded channels, or leaves them: a command for each slot, all in one write.
    pub(super) async fn of_slots(
        &mut self,
        is_to_leave: bool,
        slots: impl IntoIterator<Item = (u16, Vec<String>)>,
    ) -> Result<(), Ended> {
        let Some(shard) = &mut self.shard else { return Ok(()) };
        let word = if is_to_leave { "SUNSUBSCRIBE" } else { "SSUBSCRIBE" };
        let mut bytes = Vec::new();
        for (slot, names) in slots {
            let words = std::iter::once(word).chain(names.iter().map(String::as_str));
            let words: Vec<&[u8]> = words.map(str::as_bytes).collect();
            resp::command(words.into_iter(), &mut bytes);
            if !is_to_leave {
                self.unconfirmed += names.len();
            }
            shard.commands.push_back(Asked {
                slot,
                is_to_leave,
                is_void: false,
                names: names.into(),
            });
        }
        self.write(&bytes).await
    }

    /// A subscription is confirmed; whether that counts.
    pub(super) fn confirmed(&mut self) -> bool {
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        self.shard.as_mut().is_none_or(|shard| shard.answered().is_some_and(|counts| counts))
    }

    /// A channel was left, on request or not.
    pub(super) fn left(&mut self, channel: &[u8]) {
        let Some(shard) = &mut self.shard else { return };
        let next = shard.commands.front();
        let is_answer = next.is_some_and(|asked| {
            asked.is_to_leave && asked.names.front().is_some_and(|name| name.as_bytes() == channel)
        });
        if is_answer {
            shard.answered();
        } else if let Ok(channel) = std::str::from_utf8(channel) {
            shard.lost.push(channel.to_owned());
        }
    }

    /// A command was refused; whether that only means that a slot is elsewhere, or nowhere for now.
    pub(super) fn refused(&mut self, why: &str) -> bool {
        let Some(shard) = &mut self.shard else { return false };
        let code = why.split(' ').next().unwrap_or_default();
        if !matches!(code, "MOVED" | "ASK" | "CLUSTERDOWN" | "TRYAGAIN") {
            return false;
        }
        let Some(asked) = shard.commands.pop_front() else { return false };
        if !asked.is_to_leave {
            self.unconfirmed = self.unconfirmed.saturating_sub(asked.names.len());
            if !asked.is_void {
                shard.lost.extend(asked.names);
            }
        }
        true
    }

    /// What was asked for in these slots does not count any more.
    pub(super) fn void(&mut self, is_gone: impl Fn(u16) -> bool) {
        let Some(shard) = &mut self.shard else { return };
        for asked in shard.commands.iter_mut().filter(|asked| is_gone(asked.slot)) {
            asked.is_void = true;
        }
    }
}

impl Shard {
    /// One name of the next command is answered; whether that command still counts.
    fn answered(&mut self) -> Option<bool> {
        let asked = self.commands.front_mut()?;
        asked.names.pop_front();
        let counts = !asked.is_void;
        if asked.names.is_empty() {
            self.commands.pop_front();
        }
        Some(counts)
    }
}
