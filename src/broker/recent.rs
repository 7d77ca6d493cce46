//! Numbers that were left within the last seconds, for what is worth remembering only that long.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A number is remembered for this long at least, and twice this long at most.
const REMEMBERED: Duration = Duration::from_secs(3);
/// Numbers in each half; beyond it they are not remembered.
const MOST: usize = 262_144;

/// Of numbers that are hashes with a secret key already.
pub type Numbers = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// The hasher of [`Numbers`].
#[derive(Debug, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Two halves, of which the older is forgotten as a whole.
#[derive(Debug)]
pub struct Recent {
    new: Numbers,
    old: Numbers,
    turned: Instant,
}

impl Default for Recent {
    fn default() -> Self {
        Self { new: Numbers::default(), old: Numbers::default(), turned: Instant::now() }
    }
}

impl Recent {
    /// Remembers `number`, unless there are too many.
    pub fn leave(&mut self, number: u64, now: Instant) {
        if now.duration_since(self.turned) > REMEMBERED {
            self.turned = now;
            self.old = std::mem::take(&mut self.new);
        }
        if self.new.len() < MOST {
            self.new.insert(number);
        }
    }

    /// Whether it was left, which is forgotten with this.
    pub fn take(&mut self, number: u64) -> bool {
        self.new.remove(&number) || self.old.remove(&number)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What was offered to be kept, for somebody on another thread who hears the same a moment earlier or later.
#[derive(Debug, Default)]
pub struct Prints {
    is_read: AtomicBool,
    recent: Mutex<Recent>,
}

impl Prints {
    /// Whether somebody reads them, or does so no more.
    pub fn read(&self, is_read: bool) {
        if self.is_read.swap(is_read, Ordering::Relaxed) && !is_read {
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// As [`read`](Self::read) told it.
    pub fn are_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }

    /// See [`Recent::leave`].
    pub fn leave(&self, print: u64) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).leave(print, Instant::now());
    }

    /// See [`Recent::take`].
    pub fn take(&self, print: u64) -> bool {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).take(print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_remembered_for_a_while_and_taken_once() {
        let start = Instant::now();
        let turn = |n| start + (REMEMBERED + Duration::from_millis(1)) * n;
        let mut recent = Recent::default();
        recent.leave(1, start);
        recent.leave(2, start);
        assert!(recent.take(1) && !recent.take(1));
        recent.leave(3, turn(1));
        assert!(recent.take(2), "the older half");
        recent.leave(4, turn(1));
        recent.leave(5, turn(2));
        recent.leave(6, turn(3));
        assert!(!recent.take(4) && recent.take(5) && recent.take(6));
    }

    #[test]
    fn there_are_never_more_than_may_be() {
        let mut recent = Recent::default();
        for number in 0..MOST as u64 + 10 {
            recent.leave(number, Instant::now());
        }
        assert_eq!(recent.new.len(), MOST);
        assert!(!recent.take(MOST as u64 + 1) && recent.take(0));
    }

    #[test]
    fn what_nobody_reads_is_forgotten() {
        let prints = Prints::default();
        prints.read(true);
        prints.leave(1);
        prints.read(true);
        assert!(prints.are_read());
        prints.leave(2);
        assert!(prints.take(1));
        prints.read(false);
        assert!(!prints.take(2) && !prints.are_read());
    }
}
