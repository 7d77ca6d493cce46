//! Plain notifications that were heard and may be appended by somebody else any moment. No IO and no clock.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::notification::{Notification, UserId};

/// Bounds of [`Held`]; beyond them the oldest are due at once.
const MAX_ITEMS: usize = 65_536;
/// [`OVERHEAD`] included.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What one takes besides its texts.
const OVERHEAD: usize = 256;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) heard: Instant,
    pub(super) user: UserId,
    pub(super) notification: Notification,
}

impl Plain {
    fn key(&self) -> String {
        key(self.user.as_str(), &self.notification.id_text())
    }
}

/// In the order they were heard, each `(user, id)` once.
#[derive(Default)]
pub(super) struct Held {
    waiting: BTreeMap<u64, Plain>,
    numbers: HashMap<String, u64>,
    next: u64,
    bytes: usize,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// One that is held already stays as it is.
    pub(super) fn hold(&mut self, plain: Plain) {
        let Entry::Vacant(place) = self.numbers.entry(plain.key()) else { return };
        place.insert(self.next);
        self.bytes += bytes(&plain);
        self.waiting.insert(self.next, plain);
        self.next += 1;
    }

    /// Somebody has appended it.
    pub(super) fn forget(&mut self, user: &str, id: &str) {
        if !self.waiting.is_empty()
            && let Some(number) = self.numbers.remove(&key(user, id))
            && let Some(plain) = self.waiting.remove(&number)
        {
            self.bytes -= bytes(&plain);
        }
    }

    /// The oldest, if it has waited for as long as `patience`, or there are too many.
    pub(super) fn take_due(&mut self, now: Instant, patience: Duration) -> Option<Plain> {
        let oldest = self.waiting.first_entry()?;
        let waited = now.saturating_duration_since(oldest.get().heard);
        let full = self.numbers.len() > MAX_ITEMS || self.bytes > MAX_BYTES;
        if waited < patience && !full {
            return None;
        }
        let plain = oldest.remove();
        self.numbers.remove(&plain.key());
        self.bytes -= bytes(&plain);
        Some(plain)
    }

    /// When the oldest was heard.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, plain)| plain.heard)
    }
}

/// Users have no control characters, so the line feed ends them.
fn key(user: &str, id: &str) -> String {
    [user, "\n", id].concat()
}

fn bytes(plain: &Plain) -> usize {
    // The key repeats user and id.
    let ids = plain.user.as_str().len() + plain.notification.id_json().len();
    2 * ids + plain.notification.to_keep().len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use crate::notification::{MissingId, Target};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(50);

    fn plain(heard: Instant, user: &str, id: &str) -> Plain {
        of_size(heard, user, id, 1)
    }

    fn of_size(heard: Instant, user: &str, id: &str, size: usize) -> Plain {
        let text = format!(r#"{{"id":"{id}","text":"{}"}}"#, "x".repeat(size));
        let (target, missing) = (Target::User(user), MissingId::Fresh);
        let notification =
            Notification::parse(text.as_bytes(), target, missing, Timestamp::now(), usize::MAX);
        Plain { heard, user: UserId::new(user).unwrap(), notification: notification.unwrap() }
    }

    fn name(plain: &Plain) -> String {
        format!("{}{}", plain.user, plain.notification.id_text())
    }

    fn due(held: &mut Held, now: Instant) -> String {
        let one = std::iter::from_fn(|| held.take_due(now, PATIENCE));
        one.map(|plain| name(&plain)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_nobody_appends_is_due_in_order_once_each() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut held = Held::default();
        for (ms, user, id) in [(0, "a", "1"), (10, "b", "1"), (20, "a", "2"), (30, "a", "1")] {
            held.hold(plain(at(ms), user, id));
        }
        assert_eq!((held.len(), held.oldest()), (3, Some(start)));
        assert_eq!(due(&mut held, at(49)), "");
        assert_eq!(due(&mut held, at(60)), "a1 b1");
        held.forget("a", "2");
        held.forget("a", "3");
        assert_eq!((due(&mut held, at(999)), held.oldest(), held.bytes), (String::new(), None, 0));
        held.hold(plain(at(30), "a", "1"));
        assert_eq!(due(&mut held, at(80)), "a1", "heard anew after it was due");
    }

    #[test]
    fn the_oldest_make_room() {
        let start = Instant::now();
        let mut held = Held::default();
        for n in 0..=MAX_ITEMS {
            held.hold(plain(start, "a", &n.to_string()));
        }
        assert_eq!(due(&mut held, start), "a0");
        held.hold(of_size(start, "b", "large", MAX_BYTES - 1000));
        let made_room = std::iter::from_fn(|| held.take_due(start, PATIENCE)).count();
        assert!(made_room > MAX_ITEMS - 10 && held.len() < 10, "{made_room}");
    }

    proptest! {
        /// Against a list that is searched from end to end.
        #[test]
        fn it_does_as_a_plain_list_does(steps in proptest::collection::vec((0..3, 0..4_u8, 0..4_u8), 0..60)) {
            let start = Instant::now();
            let (mut held, mut list) = (Held::default(), Vec::<Plain>::new());
            for (number, (kind, user, id)) in steps.into_iter().enumerate() {
                let now = start + Duration::from_millis(20 * number as u64);
                let one = plain(now, &user.to_string(), &id.to_string());
                let same = |other: &Plain| name(other) == name(&one);
                match kind {
                    0 => {
                        if !list.iter().any(same) {
                            list.push(one.clone());
                        }
                        held.hold(one);
                    }
                    1 => {
                        list.retain(|other| !same(other));
                        held.forget(one.user.as_str(), &one.notification.id_text());
                    }
                    _ => {
                        let is_due = list.first().is_some_and(|first| now - first.heard >= PATIENCE);
                        let first = is_due.then(|| list.remove(0));
                        let due = held.take_due(now, PATIENCE);
                        prop_assert_eq!(due.as_ref().map(name), first.as_ref().map(name));
                    }
                }
                prop_assert_eq!(held.len(), list.len());
                prop_assert_eq!(held.numbers.len(), list.len());
                prop_assert_eq!(held.bytes, list.iter().map(bytes).sum::<usize>());
                prop_assert_eq!(held.oldest(), list.first().map(|first| first.heard));
            }
        }
    }
}
