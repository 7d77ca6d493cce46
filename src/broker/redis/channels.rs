//! The names of everything in Redis. No other file makes or reads one.

use std::borrow::Cow;

use super::slots::{SLOTS, slot};
use super::tags::Tags;
use crate::notification::Target;

/// Placeholder in the template of user channels.
const USER: &str = "{user_id}";

/// Channel and key names of one installation.
#[derive(Clone, Debug)]
pub struct Channels {
    user_before: String,
    user_after: String,
    broadcast: String,
    prefix: String,
    in_cluster: bool,
}

/// What a channel's name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    Published(Target<'a>),
    /// From one replica to all.
    Control,
    /// From one replica to itself.
    Probe,
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
        }
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

    pub(super) fn heard<'a>(&self, channel: &'a str) -> Heard<'a> {
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
    fn only_the_placeholder_is_replaced() {
        let channels = Channels::new("user:{{user_id}}:notifications", "b", "c:");
        assert_eq!(channels.user("42"), "user:{42}:notifications");
    }
}
