//! What was heard on the channels of all users, as it came. Most of it is kept by a replica that holds a socket
//! of its user, and need not even be parsed: those of this replica are known by their print.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Bounds of [`Fresh`]; beyond them the oldest is looked at at once.
const MAX_ITEMS: usize = 65_536;
/// [`OVERHEAD`] included.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What one takes besides its texts.
const OVERHEAD: usize = 64;

/// One payload.
pub(super) struct Raw {
    pub(super) heard: Instant,
    /// See [`Record::print`](crate::broker::Record::print).
    pub(super) print: u64,
    /// User, channel, payload.
    text: Box<[u8]>,
    channel_at: usize,
    payload_at: usize,
}

impl Raw {
    pub(super) fn new(
        heard: Instant,
        print: u64,
        user: &str,
        channel: &str,
        payload: &[u8],
    ) -> Self {
        let text = [user.as_bytes(), channel.as_bytes(), payload].concat().into();
        let channel_at = user.len();
        Self { heard, print, text, channel_at, payload_at: channel_at + channel.len() }
    }

    /// User, channel, payload.
    pub(super) fn parts(&self) -> (&str, &str, &[u8]) {
        let (names, payload) = self.text.split_at(self.payload_at);
        let (user, channel) = names.split_at(self.channel_at);
        // Both were text when they came.
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        (text(user), text(channel), payload)
    }

    fn bytes(&self) -> usize {
        self.text.len() + OVERHEAD
    }
}

/// In the order they were heard.
#[derive(Default)]
pub(super) struct Fresh {
    waiting: VecDeque<Raw>,
    bytes: usize,
}

impl Fresh {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, raw: Raw) {
        self.bytes += raw.bytes();
        self.waiting.push_back(raw);
    }

    /// The oldest, if it has waited for as long as `patience`, or there are too many.
    pub(super) fn take_due(&mut self, now: Instant, patience: Duration) -> Option<Raw> {
        let waited = now.saturating_duration_since(self.oldest()?);
        let full = self.waiting.len() > MAX_ITEMS || self.bytes > MAX_BYTES;
        if waited < patience && !full {
            return None;
        }
        let raw = self.waiting.pop_front()?;
        self.bytes -= raw.bytes();
        Some(raw)
    }

    /// When the oldest was heard.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|raw| raw.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(50);

    #[test]
    fn what_was_heard_comes_back_as_it_was_when_it_is_due() {
        let start = Instant::now();
        let mut fresh = Fresh::default();
        fresh.push(Raw::new(start, 7, "ä", "user:ä", b"{\xff"));
        assert_eq!(fresh.oldest(), Some(start));
        assert!(fresh.take_due(start + PATIENCE / 2, PATIENCE).is_none());
        let raw = fresh.take_due(start + PATIENCE, PATIENCE).unwrap();
        assert_eq!((raw.print, raw.parts()), (7, ("ä", "user:ä", &b"{\xff"[..])));
        assert_eq!((fresh.len(), fresh.bytes, fresh.oldest()), (0, 0, None));
    }

    #[test]
    fn the_oldest_make_room() {
        let start = Instant::now();
        let large = vec![b'x'; MAX_BYTES / 2];
        for (payload, fit) in [(&b"{}"[..], MAX_ITEMS), (&large, 1)] {
            let mut fresh = Fresh::default();
            for _ in 0..fit + 3 {
                fresh.push(Raw::new(start, 0, "a", "b", payload));
            }
            let due = std::iter::from_fn(|| fresh.take_due(start, PATIENCE)).count();
            assert_eq!((due, fresh.len()), (3, fit));
        }
    }
}
