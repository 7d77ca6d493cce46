//! How far one user's sockets have heard the log, and whether something may be missing in between.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Held, Quota};
use crate::broker::log::Summary;
use crate::delivery::Parcel;
use crate::notification::{Count, Cursor};

/// What may be held while the log is read; beyond it, the log is read again.
const HELD: Quota = Quota { frames: 64, bytes: 256 * 1024 };
/// Plain notifications that were delivered and whose capture is not confirmed yet: as many as the recorder
/// may be behind. Of one beyond it, the sockets may get a double.
const UNCONFIRMED: usize = 65_536;
/// More than this, and those before one that is confirmed are forgotten: they are captured in the order
/// they were heard, so these were known before, and nobody will confirm them.
const STALE: usize = 1_024;

/// What an entry that was heard is to this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It follows what the sockets have: deliver it. How many there are.
    Next(usize),
    /// The sockets have it.
    Known,
    /// The log is being read; it is kept for later.
    Held,
    /// Something before it is missing: see [`Hub::doubt`](super::Hub::doubt).
    Gap,
    /// Nobody of this user is here.
    Nobody,
}

/// Sound until something may be missing, then doubtful, and being read until it is sound again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doubt {
    #[default]
    Sound,
    Doubtful,
    /// Under this number; an answer to an earlier reading is void.
    Reading(u32),
}

/// Kept only for users who need it: it is larger than all the rest.
#[derive(Default)]
struct Extra {
    held: Held,
    /// Of plain notifications that were delivered, the hash of the id.
    plain: VecDeque<u64>,
}

/// Of one user on this replica.
#[derive(Default)]
pub(super) struct Place {
    /// The newest entry that the sockets were given; `None` until the log was read or heard.
    through: Option<Cursor>,
    /// Of the newest count that the sockets were told.
    version: u64,
    doubt: Doubt,
    extra: Option<Box<Extra>>,
}

impl Place {
    pub(super) fn is_known(&self) -> bool {
        self.through.is_some()
    }

    /// The log was read for somebody's greeting. `true`: it is in doubt already.
    pub(super) fn stands(&mut self, summary: &Summary) -> bool {
        if self.through.is_none() {
            self.through = Some(summary.cursor);
        }
        self.version = self.version.max(summary.count.version);
        self.doubt == Doubt::Doubtful
    }

    /// An entry was heard that follows `before`. Everything but [`Heard::Next`] is dealt with.
    pub(super) fn hear(&mut self, before: Cursor, parcel: &Arc<Parcel>, members: usize) -> Heard {
        let Some(cursor) = parcel.cursor() else { return Heard::Next(members) };
        match self.through {
            _ if self.doubt != Doubt::Sound => {
                self.hold(parcel);
                Heard::Held
            }
            Some(through) if through.covers(cursor) => Heard::Known,
            Some(through) if through != before => {
                self.hold(parcel);
                Heard::Gap
            }
            _ => {
                self.through = Some(cursor);
                self.count(parcel.count());
                Heard::Next(members)
            }
        }
    }

    /// An entry was heard of whose notification was not.
    pub(super) fn miss(&mut self, parcel: &Arc<Parcel>) -> Heard {
        match (self.through, parcel.cursor()) {
            _ if self.doubt != Doubt::Sound => {
                // Not only the count after it: the log must be read to here.
                self.extra.get_or_insert_default().held.let_go();
                Heard::Held
            }
            (Some(through), Some(cursor)) if through.covers(cursor) => Heard::Known,
            _ => Heard::Gap,
        }
    }

    /// The sockets were told this count. Not called for what is only held: it may be let go.
    pub(super) fn count(&mut self, count: Option<Count>) {
        self.version = self.version.max(count.map_or(0, |count| count.version));
    }

    fn hold(&mut self, parcel: &Arc<Parcel>) {
        // Everything here has a cursor, so what does not fit is let go, and never an error.
        let held = &mut self.extra.get_or_insert_default().held;
        held.hold(parcel.clone(), HELD).ok();
    }

    /// A plain notification was delivered that will be captured.
    pub(super) fn delivered_plain(&mut self, id: u64) {
        let plain = &mut self.extra.get_or_insert_default().plain;
        if plain.len() >= UNCONFIRMED {
            plain.pop_front();
        }
        plain.push_back(id);
    }

    /// Whether the plain notification was delivered here.
    pub(super) fn has_plain(&self, id: u64) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.plain.contains(&id))
    }

    /// The same, and it is asked about no more.
    pub(super) fn confirm_plain(&mut self, id: u64) -> bool {
        let Some(extra) = &mut self.extra else { return false };
        let Some(at) = extra.plain.iter().position(|known| *known == id) else { return false };
        if extra.plain.len() > STALE {
            extra.plain.drain(..=at);
        } else {
            extra.plain.remove(at);
        }
        true
    }

    /// Something may be missing. `true` if that is news, and it is known from where to read.
    pub(super) fn doubt(&mut self) -> bool {
        let is_news = self.doubt != Doubt::Doubtful;
        self.doubt = Doubt::Doubtful;
        is_news && self.through.is_some()
    }

    /// From where to read, if it is in doubt; `number` is for [`caught_up`](Self::caught_up).
    pub(super) fn read(&mut self, number: u32) -> Option<Cursor> {
        if self.doubt != Doubt::Doubtful {
            return None;
        }
        let through = self.through?;
        self.doubt = Doubt::Reading(number);
        Some(through)
    }

    /// Whether this reading still counts.
    pub(super) fn is_reading(&self, number: u32) -> bool {
        self.doubt == Doubt::Reading(number)
    }

    /// Everything up to `through` has been delivered, `ids` among it; what was held and is news.
    pub(super) fn caught_up(
        &mut self,
        through: Cursor,
        ids: &[Box<str>],
        more: bool,
    ) -> Vec<Arc<Parcel>> {
        self.through = Some(through);
        self.doubt = Doubt::Doubtful;
        if more {
            return Vec::new();
        }
        let Some(extra) = &mut self.extra else {
            self.doubt = Doubt::Sound;
            return Vec::new();
        };
        let release = std::mem::take(&mut extra.held).release(through, ids);
        if extra.plain.is_empty() {
            self.extra = None;
        }
        if !release.read_again {
            self.doubt = Doubt::Sound;
        }
        if let Some(newest) =
            release.parcels.iter().filter_map(|parcel| parcel.cursor()).next_back()
        {
            self.through = Some(newest);
        }
        for parcel in &release.parcels {
            self.count(parcel.count());
        }
        release.parcels
    }

    /// Whether the log has to be read (again).
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubt == Doubt::Doubtful
    }

    /// The reading came to nothing.
    pub(super) fn not_read(&mut self, number: u32) {
        if self.is_reading(number) {
            self.doubt = Doubt::Doubtful;
        }
    }

    /// Whether a count is newer than what the sockets were told last.
    pub(super) fn is_newer(&self, count: Count) -> bool {
        count.version > self.version
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn at(position: u64) -> Cursor {
        Cursor { position, at: 100 + position }
    }

    fn counted(position: u64) -> Count {
        Count { unread: position, version: 1_000 + position }
    }

    fn hear(place: &mut Place, position: u64) -> Heard {
        let parcel = Parcel::count_only(Some(at(position)), counted(position), Instant::now());
        place.hear(at(position - 1), &Arc::new(parcel), 1)
    }

    #[test]
    fn what_is_held_and_then_read_leaves_its_count_to_be_told() {
        let mut place = Place::default();
        place.stands(&Summary { cursor: at(4), count: counted(4) });
        assert_eq!([hear(&mut place, 5), hear(&mut place, 5)], [Heard::Next(1), Heard::Known]);
        assert_eq!(hear(&mut place, 7), Heard::Gap);
        assert!(place.doubt());
        assert_eq!(place.read(1), Some(at(5)));
        assert_eq!(hear(&mut place, 8), Heard::Held);
        assert!(place.is_newer(counted(7)), "the sockets know nothing of 6 and 7 yet");
        let released = place.caught_up(at(7), &[], false);
        assert_eq!(
            released.iter().filter_map(|parcel| parcel.cursor()).collect::<Vec<_>>(),
            [at(8)]
        );
        assert!(!place.is_newer(counted(8)), "told with what was held");
        assert_eq!(hear(&mut place, 9), Heard::Next(1));
    }

    #[test]
    fn a_reading_that_a_new_doubt_has_overtaken_does_not_count() {
        let mut place = Place::default();
        place.stands(&Summary { cursor: at(4), count: counted(4) });
        assert!(place.doubt());
        assert_eq!(place.read(1), Some(at(4)));
        assert!(place.doubt(), "the link was lost while it was read");
        assert!(!place.is_reading(1) && !place.doubt());
        assert_eq!(place.read(2), Some(at(4)));
        place.not_read(1);
        assert!(place.is_reading(2));
    }
}
