//! The log in Redis: one script per operation, atomic, on keys of one slot.

use std::sync::Arc;

use redis::{FromRedisValue, Script};

use super::commands::{Commands, evalsha};
use super::connect::Node;
use super::nodes::{Call, Nodes};
use super::tags::Tags;
use crate::broker::Away;
use crate::broker::log::{
    Appended, Ask, Count, Entry, Item, Mark, Marked, PART, PART_BYTES, Retention, Since, Start,
    Summary,
};
use crate::notification::{Cursor, Target, UserId};

const CORE: &str = include_str!("scripts/log/core.lua");
const LIBRARY: &str = include_str!("scripts/log/library.lua");
const SCHEDULE: &str = include_str!("scripts/mail/schedule.lua");
const SLOT: &str = include_str!("scripts/mail/slot.lua");

/// `[cursor, 1 if unread, id, payload]`
type Row = (String, u8, Vec<u8>, Vec<u8>);
/// `[cursor of the newest, unread, version]`
type Standing = (String, u64, u64);
/// `[1 if whole, rows, rows in all, standing]`
type Part = (u8, Vec<Row>, usize, Standing);

pub(in crate::broker) struct Log {
    commands: Arc<Commands>,
    retention: Retention,
    append: Arc<Script>,
    capture: Arc<Script>,
    mark: Arc<Script>,
    mark_all: Arc<Script>,
    summary: Arc<Script>,
    list: Arc<Script>,
    after: Arc<Script>,
}

impl Log {
    pub(super) fn new(commands: Arc<Commands>, retention: Retention) -> Self {
        let script = |tail: &str| Arc::new(Script::new(&with_core(&commands, tail)));
        let appender = |tail: &str| script(&[SCHEDULE, "\n", tail].concat());
        // Runs also when Redis is full.
        let reader = |tail: &str| {
            let text = format!("#!lua flags=no-writes\n{}", with_core(&commands, tail));
            Arc::new(Script::new(&text))
        };
        Self {
            retention,
            append: appender(include_str!("scripts/log/append.lua")),
            capture: appender(include_str!("scripts/log/capture.lua")),
            mark: script(include_str!("scripts/log/mark.lua")),
            mark_all: script(include_str!("scripts/log/mark_all.lua")),
            summary: reader(include_str!("scripts/log/summary.lua")),
            list: reader(include_str!("scripts/log/list.lua")),
            after: reader(include_str!("scripts/log/after.lua")),
            commands,
        }
    }

    /// Appends each once per id, in order, and publishes what is new. After an error some may be appended;
    /// to repeat the call is harmless.
    pub(in crate::broker) async fn append(
        &self,
        items: &[Item<'_>],
    ) -> Result<Vec<Appended>, Away> {
        self.append_by("append", &self.append, items).await
    }

    /// As [`append`](Self::append), of what was published plainly: replicas are told the place only.
    pub(in crate::broker) async fn capture(
        &self,
        items: &[Item<'_>],
    ) -> Result<Vec<Appended>, Away> {
        self.append_by("capture", &self.capture, items).await
    }

    async fn append_by(
        &self,
        command: &'static str,
        script: &Arc<Script>,
        items: &[Item<'_>],
    ) -> Result<Vec<Appended>, Away> {
        let calls: Vec<Call> = items
            .iter()
            .map(|item| {
                let channels = &self.commands.channels;
                let mut keys = channels.inbox(item.user.as_str()).to_vec();
                if self.retention.mail_after.is_some() {
                    keys.push(channels.mail_due_of(&keys[0]));
                }
                evalsha(script, &keys, |call| {
                    call.arg(self.channel(item.user)).arg(item.id).arg(item.payload);
                    call.arg(self.retention.size).arg(self.ttl());
                    if let Some(after) = self.mail_after() {
                        call.arg(item.user.as_str()).arg(after);
                    }
                })
            })
            .collect();
        let answers: Vec<(u8, String, u64, u64)> =
            self.commands.scripted(command, script, calls).await?;
        answers
            .into_iter()
            .map(|(is_new, cursor, unread, version)| {
                let (cursor, count) = (place(&cursor)?, Count { unread, version });
                Ok(Appended { is_new: is_new == 1, cursor, count })
            })
            .collect()
    }

    fn ttl(&self) -> String {
        self.retention.ttl.as_millis().to_string()
    }

    fn mail_after(&self) -> Option<String> {
        self.retention.mail_after.map(|after| after.as_millis().to_string())
    }

    pub(in crate::broker) async fn mark(
        &self,
        user: &UserId,
        id: &str,
        mark: Mark,
    ) -> Result<Marked, Away> {
        let letter = match mark {
            Mark::Read => "r",
            Mark::Deleted => "d",
        };
        let arguments = [self.channel(user), id.to_owned(), letter.to_owned()];
        let (found, unread, version): (u8, u64, u64) =
            self.run("mark", &self.mark, user, &arguments).await?;
        Ok(Marked { found: found == 1, count: Count { unread, version } })
    }

    pub(in crate::broker) async fn mark_all(&self, user: &UserId) -> Result<Count, Away> {
        let (_, unread, version): (u8, u64, u64) =
            self.run("mark", &self.mark_all, user, &[self.channel(user)]).await?;
        Ok(Count { unread, version })
    }

    pub(in crate::broker) async fn summary(&self, user: &UserId) -> Result<Summary, Away> {
        standing(&self.run("summary", &self.summary, user, &[]).await?)
    }

    pub(in crate::broker) async fn list(
        &self,
        user: &UserId,
        before: u64,
        limit: usize,
        unread_only: bool,
    ) -> Result<Vec<Entry>, Away> {
        let arguments = [before.to_string(), limit.to_string(), u8::from(unread_only).to_string()];
        let rows: Vec<Row> = self.run("list", &self.list, user, &arguments).await?;
        rows.into_iter().map(entry).collect()
    }

    pub(in crate::broker) async fn catch_up(&self, asks: &[Ask]) -> Result<Vec<Since>, Away> {
        let mut calls = Vec::with_capacity(asks.len());
        for ask in asks {
            let (which, Cursor { position, at }) = match ask.start {
                Start::Newest => ("newest", Cursor::default()),
                Start::After(cursor) => ("after", cursor),
                Start::Unread(position) => ("unread", Cursor { position, at: 0 }),
            };
            let keys = self.commands.channels.inbox(ask.user.as_str());
            calls.push(evalsha(&self.after, &keys, |call| {
                call.arg(which).arg(position).arg(at).arg(PART).arg(PART_BYTES);
            }));
        }
        let parts: Vec<Part> = self.commands.scripted("after", &self.after, calls).await?;
        parts.into_iter().map(since).collect()
    }

    /// Registers the function for publishers on one master, with this replica's limits.
    pub(super) async fn register(&self, node: &Node, max_payload_bytes: usize) -> Result<(), Away> {
        self.commands.load_library(node, &self.library(max_payload_bytes)).await
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.commands.nodes
    }

    fn library(&self, max_payload_bytes: usize) -> String {
        let channels = &self.commands.channels;
        let (before, after) = channels.around_user();
        let name = channels.function("library");
        let tags = Tags::new();
        let body = [SCHEDULE, "\n", SLOT, "\n", LIBRARY]
            .concat()
            .replace("{{tag_base}}", &tags.base().to_string())
            .replace("{{tag_bits}}", &tags.bits().map(|bits| bits.to_string()).join(", "))
            .replace("{{mail_after}}", &self.mail_after().unwrap_or_else(|| "0".to_owned()))
            .replace("{{notify}}", &channels.function("notify"))
            .replace("{{prefix}}", &lua_string(channels.prefix()))
            .replace("{{in_cluster}}", &channels.are_for_cluster().to_string())
            .replace("{{before}}", &lua_string(before))
            .replace("{{after}}", &lua_string(after))
            .replace("{{size}}", &self.retention.size.to_string())
            .replace("{{ttl}}", &self.ttl())
            .replace("{{max_payload_bytes}}", &max_payload_bytes.to_string());
        format!("#!lua name={name}\n{}", with_core(&self.commands, &body))
    }

    fn channel(&self, user: &UserId) -> String {
        self.commands.channels.of(Target::User(user.as_str())).into_owned()
    }

    async fn run<T: FromRedisValue>(
        &self,
        command: &'static str,
        script: &Arc<Script>,
        user: &UserId,
        arguments: &[String],
    ) -> Result<T, Away> {
        let keys = self.commands.channels.inbox(user.as_str());
        self.commands.script(command, script, &keys, arguments).await
    }
}

/// A whole script, or library, that begins with the core and ends with `tail`.
pub(super) fn with_core(commands: &Commands, tail: &str) -> String {
    [CORE, "\n", tail].concat().replace("{{publish}}", commands.publish_word())
}

/// `text` as a Lua string literal, whatever bytes it has.
fn lua_string(text: &str) -> String {
    let digits = text.bytes().map(|byte| format!("{byte:03}"));
    let escaped = digits.fold(String::new(), |all, digits| all + "\\" + &digits);
    format!("\"{escaped}\"")
}

fn place(text: &str) -> Result<Cursor, Away> {
    text.parse().map_err(|_| Away(format!("a script answered {text:?} for a cursor")))
}

fn standing((cursor, unread, version): &Standing) -> Result<Summary, Away> {
    let count = Count { unread: *unread, version: *version };
    Ok(Summary { cursor: place(cursor)?, count })
}

fn since((whole, rows, total, standing): Part) -> Result<Since, Away> {
    let entries = rows.into_iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Since { whole: whole == 1, entries, total, summary: self::standing(&standing)? })
}

fn entry((cursor, unread, id, payload): Row) -> Result<Entry, Away> {
    // What somebody wrote there by hand must not keep the other entries from being read.
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    };
    let (id, payload) = (text(id), text(payload));
    Ok(Entry { cursor: place(&cursor)?, unread: unread == 1, id, payload })
}
