//! The names of everything in Redis. No other file makes or reads one.

use std::borrow::Cow;

use super::slots::{SLOTS, slot};
use super::tags::Tags;
use crate::config::SocketIoAdapter;
use crate::notification::{Target, UserId};

/// Placeholder in the template of user channels.
const USER: &str = "{user_id}";

/// What the names of the Socket.IO adapter begin with; its `key` or `channelPrefix`, if nobody changes it.
const SOCKET_IO: &str = "socket.io";
/// Namespaces in which is emitted to our users.
const NAMESPACES: [&str; 2] = ["/ws", "/"];
/// What stands around the user in the name of a room.
const ROOM: (&str, &str) = ("user:", ":notifications");

/// Channel and key names of one installation.
#[derive(Clone, Debug)]
pub struct Channels {
    user_before: String,
    user_after: String,
    broadcast: String,
    prefix: String,
    in_cluster: bool,
    adapter: SocketIoAdapter,
}

/// What a channel's name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    Published(Target<'a>),
    /// From one replica to all.
    Control,
    /// From one replica to itself.
    Probe,
    /// Emitted to one room of a Socket.IO namespace.
    Room {
        namespace: &'a str,
        user: &'a str,
    },
    /// Emitted to several rooms of this Socket.IO namespace, or to all of it.
    Namespace(&'a str),
    /// From one Socket.IO server of this namespace to the others.
    Requests(&'a str),
    Unknown,
}

impl Channels {
    /// `user` holds `{user_id}` once; without it, the id goes to the end.
    pub fn new(user: &str, broadcast: &str, prefix: &str) -> Self {
        let (before, after) = user.split_once(USER).unwrap_or((user, ""));
        Self {
            user_before: before.to_owned(),
            user_after: after.to_owned(),
            broadcast: broadcast.to_owned(),
            prefix: prefix.to_owned(),
            in_cluster: false,
            adapter: SocketIoAdapter::Off,
        }
    }

    /// Also those on which Socket.IO servers publish.
    #[must_use]
    pub fn with_adapter(mut self, adapter: SocketIoAdapter) -> Self {
        self.adapter = adapter;
        self
    }

    /// The same names for a cluster, where the keys of one script must share a slot.
    pub(super) fn for_cluster(mut self) -> Self {
        self.in_cluster = true;
        self
    }

    pub(super) fn are_for_cluster(&self) -> bool {
        self.in_cluster
    }

    /// Where to publish for `target`.
    pub(in crate::broker) fn of(&self, target: Target<'_>) -> Cow<'_, str> {
        match target {
            Target::User(user) => self.user(user).into(),
            Target::Broadcast => self.broadcast().into(),
        }
    }

    pub(super) fn user(&self, user: &str) -> String {
        [&self.user_before, user, &self.user_after].concat()
    }

    /// A pattern that every user's channel matches (and some others).
    pub(super) fn every_user(&self) -> String {
        format!("{}*{}", literally(&self.user_before), literally(&self.user_after))
    }

    pub(super) fn broadcast(&self) -> &str {
        &self.broadcast
    }

    pub(super) fn control(&self) -> String {
        format!("{}control", self.prefix)
    }

    pub(super) fn probe(&self, replica: &str) -> String {
        format!("{}probe:{replica}", self.prefix)
    }

    /// Which of the Socket.IO adapter's channels there are.
    pub(super) fn adapter(&self) -> SocketIoAdapter {
        self.adapter
    }

    /// Where a Socket.IO server publishes what is for one user alone.
    pub(super) fn room(namespace: &str, user: &str) -> String {
        let (before, after) = ROOM;
        [SOCKET_IO, "#", namespace, "#", before, user, after, "#"].concat()
    }

    /// Where a Socket.IO server with the sharded adapter waits for answers.
    pub(super) fn answers(namespace: &str, server: &str) -> String {
        [SOCKET_IO, "#", namespace, "#", server, "#"].concat()
    }

    /// The rooms' channels of these users; none without an adapter.
    pub(super) fn rooms<'a>(&'a self, users: &'a [UserId]) -> impl Iterator<Item = String> + 'a {
        let namespaces = if self.adapter == SocketIoAdapter::Off { &[][..] } else { &NAMESPACES };
        namespaces.iter().flat_map(move |namespace| {
            users.iter().map(|user| Self::room(namespace, user.as_str()))
        })
    }

    /// Where Socket.IO servers publish what is for more than one room.
    pub(super) fn namespaces(&self) -> Vec<String> {
        let namespaces = if self.adapter == SocketIoAdapter::Off { &[][..] } else { &NAMESPACES };
        namespaces.iter().map(|namespace| format!("{SOCKET_IO}#{namespace}#")).collect()
    }

    /// Patterns that match where Socket.IO servers ask something of each other. Not as channels: such
    /// subscribers are servers, and whoever asks waits for an answer of each. Of sharded ones there are none,
    /// for their requests are among what they emit.
    pub(super) fn requests(&self) -> Vec<String> {
        if self.adapter != SocketIoAdapter::Classic {
            return Vec::new();
        }
        NAMESPACES.iter().map(|namespace| format!("{SOCKET_IO}-request#{namespace}#")).collect()
    }

    /// Patterns that all channels match on which Socket.IO servers publish for users. There are none for
    /// sharded channels.
    pub(super) fn every_room(&self) -> Vec<String> {
        if self.adapter != SocketIoAdapter::Classic {
            return Vec::new();
        }
        let both =
            |namespace: &&str| [Self::room(namespace, "*"), format!("{SOCKET_IO}#{namespace}#")];
        NAMESPACES.iter().flat_map(both).collect()
    }

    pub(super) fn heard<'a>(&self, channel: &'a str) -> Heard<'a> {
        // First, for a template may be so wide that it fits these too.
        if self.adapter != SocketIoAdapter::Off
            && let Some(heard) = of_socket_io(channel)
        {
            return heard;
        }
        if channel == self.broadcast {
            return Heard::Published(Target::Broadcast);
        }
        match channel.strip_prefix(self.prefix.as_str()) {
            Some("control") => return Heard::Control,
            Some(rest) if rest.starts_with("probe:") => return Heard::Probe,
            _ => {}
        }
        channel
            .strip_prefix(self.user_before.as_str())
            .and_then(|rest| rest.strip_suffix(self.user_after.as_str()))
            .map_or(Heard::Unknown, |user| Heard::Published(Target::User(user)))
    }

    /// What stands before and after the user in a user's channel.
    pub fn around_user(&self) -> (&str, &str) {
        (&self.user_before, &self.user_after)
    }

    /// What every key and internal channel begins with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Keys and channels that only `campanile check` uses.
    pub(super) fn check(&self, number: u16) -> String {
        format!("{}check:{number}", self.prefix)
    }

    /// Name of a Redis function, or of their library: the prefix with what is neither letter nor digit as
    /// `_`, then `name`.
    pub fn function(&self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        self.prefix.chars().map(plain).chain(name.chars()).collect()
    }

    /// The keys of a user's log: entries, ids, state. The hash tag is the user alone, so that in a cluster a
    /// call with the user as its key reaches the node that has them.
    pub fn inbox(&self, user: &str) -> [String; 3] {
        let (tag, rest) = if self.in_cluster && user.starts_with('}') {
            // A tag that begins so is empty, and an empty one is none: each key would have its own slot.
            (Self::tag_beside(&self.user(user)), user)
        } else {
            (user.to_owned(), "")
        };
        ["entries", "ids", "state"]
            .map(|part| format!("{}inbox:{{{tag}}}{rest}:{part}", self.prefix))
    }

    /// A hash tag in the slot of this channel.
    fn tag_beside(channel: &str) -> String {
        let wanted = slot(channel);
        let mut numbers = (0_u32..).map(|number| number.to_string());
        numbers.find(|number| slot(number) == wanted).unwrap_or_default()
    }

    /// The schedules of what is to be mailed: one, or in a cluster one in each slot.
    pub(super) fn mail_dues(&self) -> Vec<String> {
        if !self.in_cluster {
            return vec![format!("{}mail:due", self.prefix)];
        }
        let tags = Tags::new();
        (0..SLOTS).map(|slot| self.mail_due_tagged(&tags.of(slot))).collect()
    }

    /// The one of [`mail_dues`](Self::mail_dues) that may be used together with this key.
    pub(super) fn mail_due_of(&self, key: &str) -> String {
        if self.in_cluster {
            self.mail_due_tagged(&Tags::new().of(slot(key)))
        } else {
            format!("{}mail:due", self.prefix)
        }
    }

    fn mail_due_tagged(&self, tag: &str) -> String {
        format!("{}mail:{{{tag}}}:due", self.prefix)
    }

    /// The lease of the replica that mails.
    pub(super) fn mail_lease(&self) -> String {
        format!("{}mail:lease", self.prefix)
    }

    /// List of what could not be mailed, JSON, newest first.
    pub(super) fn mail_failed(&self) -> String {
        format!("{}mail:failed", self.prefix)
    }

    /// The leases of the two replicas that listen by pattern: the leader's, the standby's.
    pub(super) fn capture_leases(&self) -> [String; 2] {
        [0, 1].map(|number| format!("{}{{capture}}:{number}", self.prefix))
    }

    /// Hash of user to number of sockets, over all replicas. All presence keys share a hash tag, so that
    /// one script may touch them in a cluster.
    pub(super) fn presence_users(&self) -> String {
        format!("{}{{presence}}:users", self.prefix)
    }

    /// Number of sockets, over all replicas.
    pub(super) fn presence_total(&self) -> String {
        format!("{}{{presence}}:total", self.prefix)
    }

    /// Sorted set of replica to the time of its last word, in milliseconds of Redis's clock.
    pub(super) fn presence_replicas(&self) -> String {
        format!("{}{{presence}}:replicas", self.prefix)
    }

    /// Hash of user to number of sockets on one replica.
    pub(super) fn presence_replica(&self, replica: &str) -> String {
        format!("{}{{presence}}:replica:{replica}", self.prefix)
    }
}

/// What a channel of the Socket.IO adapter is for; `None`: for somebody else, or it is none.
fn of_socket_io(channel: &str) -> Option<Heard<'_>> {
    let rest = channel.strip_prefix(SOCKET_IO)?;
    let (is_request, rest) = match rest.strip_prefix("-request#") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix('#')?),
    };
    let (namespace, room) = rest.split_once('#')?;
    if !NAMESPACES.contains(&namespace) {
        return None;
    }
    match (is_request, room) {
        (true, "") => Some(Heard::Requests(namespace)),
        (false, "") => Some(Heard::Namespace(namespace)),
        (false, room) => {
            let user = user_of_room(room.strip_suffix('#')?)?;
            Some(Heard::Room { namespace, user })
        }
        (true, _) => None,
    }
}

/// Whose room has this name.
pub(super) fn user_of_room(room: &str) -> Option<&str> {
    let (before, after) = ROOM;
    room.strip_prefix(before)?.strip_suffix(after)
}

/// `text` as a pattern that only it matches.
fn literally(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, letter| {
        if matches!(letter, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
        pattern
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_made_and_read_back() {
        let channels =
            Channels::new("user:{user_id}:notifications", "broadcast:notifications", "c:");
        for user in ["42", "a:b", "ü", "user::notifications", "{user_id}"] {
            let channel = channels.user(user);
            assert_eq!(channels.heard(&channel), Heard::Published(Target::User(user)), "{channel}");
        }
        assert_eq!(channels.user("42"), "user:42:notifications");
        assert_eq!(channels.heard("broadcast:notifications"), Heard::Published(Target::Broadcast));
        assert_eq!(channels.heard(&channels.control()), Heard::Control);
        assert_eq!(channels.heard(&channels.probe("r1")), Heard::Probe);
        assert_eq!(channels.heard("other"), Heard::Unknown);
    }

    #[test]
    fn the_pattern_of_all_users_takes_the_template_literally() {
        for (template, pattern) in [
            ("user:{user_id}:notifications", "user:*:notifications"),
            ("user:{{user_id}}", "user:{*}"),
            (r"a*b?[c]\d{user_id}^-", r"a\*b\?\[c]\\d*^-"),
        ] {
            assert_eq!(Channels::new(template, "b", "c:").every_user(), pattern);
        }
    }

    #[test]
    fn in_a_cluster_the_keys_of_a_user_share_the_slot_of_a_channel_whose_tag_is_the_user() {
        let channels = Channels::new("user:{{user_id}}:n", "b", "c:").for_cluster();
        for user in ["42", "a}b", "a{b}c", "{x}", "}x", "{}", "{", "}", "}}"] {
            let here = slot(&channels.user(user));
            for key in channels.inbox(user) {
                assert_eq!(slot(&key), here, "{user}: {key}");
            }
        }
        assert_eq!(channels.inbox("42")[0], "c:inbox:{42}:entries");
    }

    #[test]
    fn there_is_a_schedule_in_every_slot_of_a_cluster_and_one_elsewhere() {
        let channels = Channels::new("user:{user_id}", "b", "c:");
        assert_eq!(channels.mail_dues(), ["c:mail:due"]);
        assert_eq!(channels.mail_due_of(&channels.inbox("42")[0]), "c:mail:due");
        let channels = channels.for_cluster();
        for (number, due) in (0..SLOTS).zip(channels.mail_dues()) {
            assert_eq!(slot(&due), number, "{due}");
        }
        for user in ["42", "ü", "}x"] {
            let key = &channels.inbox(user)[0];
            let due = channels.mail_due_of(key);
            assert_eq!((slot(&due), channels.mail_dues().contains(&due)), (slot(key), true));
        }
    }

    #[test]
    fn channels_of_the_adapter_are_made_and_read_back() {
        let channels = |adapter| Channels::new("{user_id}", "b", "c:").with_adapter(adapter);
        let classic = channels(SocketIoAdapter::Classic);
        for user in ["42", "a#b", "ü", "user::notifications"] {
            for namespace in NAMESPACES {
                let name = Channels::room(namespace, user);
                assert_eq!(classic.heard(&name), Heard::Room { namespace, user }, "{name}");
            }
        }
        let [ws, root] = NAMESPACES.map(Heard::Namespace);
        let requests = NAMESPACES.map(Heard::Requests);
        let heard = |channels: &Channels| {
            let names = [channels.namespaces(), channels.requests()].concat();
            names.iter().map(|name| format!("{:?}", channels.heard(name))).collect::<Vec<_>>()
        };
        let text = |heard: &[Heard<'_>]| heard.iter().map(|h| format!("{h:?}")).collect::<Vec<_>>();
        assert_eq!(heard(&classic), text(&[ws, root, requests[0], requests[1]]));
        assert_eq!(heard(&channels(SocketIoAdapter::Sharded)), text(&[ws, root]));
        assert_eq!(
            classic.every_room(),
            [
                "socket.io#/ws#user:*:notifications#",
                "socket.io#/ws#",
                "socket.io#/#user:*:notifications#",
                "socket.io#/#"
            ]
        );
        let off = channels(SocketIoAdapter::Off);
        assert!(heard(&off).is_empty() && off.every_room().is_empty());
        let users = [UserId::new("42").unwrap()];
        assert_eq!((off.rooms(&users).count(), classic.rooms(&users).count()), (0, 2));
        for other in ["socket.io#/admin#", "socket.io#/ws#trades#", "socket.io-response#/ws#", "x"]
        {
            assert_eq!(classic.heard(other), Heard::Published(Target::User(other)), "{other}");
        }
    }

    #[test]
    fn only_the_placeholder_is_replaced() {
        let channels = Channels::new("user:{{user_id}}:notifications", "b", "c:");
        assert_eq!(channels.user("42"), "user:{42}:notifications");
    }
}
