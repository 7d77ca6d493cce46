//! The log in memory: the same rules as the scripts of `redis/scripts/log`.

use std::collections::{HashMap, VecDeque};

use crate::broker::log::{
    Appended, Count, Entry, Mark, Marked, PART, PART_BYTES, Retention, Since, Start, Summary,
};
use crate::notification::Cursor;

/// One user's.
#[derive(Debug, Default)]
pub(super) struct Log {
    kept: VecDeque<Kept>,
    positions: HashMap<String, u64>,
    newest: Cursor,
    trimmed: Cursor,
    read_through: u64,
    count: Count,
}

#[derive(Debug)]
struct Kept {
    cursor: Cursor,
    id: String,
    /// `None`: deleted.
    payload: Option<String>,
    marked_read: bool,
}

impl Log {
    /// Appends once per id; `now` in milliseconds since 1970.
    pub(super) fn append(
        &mut self,
        id: &str,
        payload: &str,
        retention: Retention,
        now: u64,
    ) -> Appended {
        if let Some(kept) = self.positions.get(id).and_then(|position| self.at(*position)) {
            return Appended { is_new: false, cursor: kept.cursor, count: self.count };
        }
        let cursor = Cursor { position: self.newest.position + 1, at: now };
        self.newest = cursor;
        self.positions.insert(id.to_owned(), cursor.position);
        let payload = Some(payload.to_owned());
        self.kept.push_back(Kept { cursor, id: id.to_owned(), payload, marked_read: false });
        self.count.unread += 1;
        self.trim(retention, now);
        self.changed(now);
        Appended { is_new: true, cursor, count: self.count }
    }

    fn trim(&mut self, retention: Retention, now: u64) {
        let ttl = u64::try_from(retention.ttl.as_millis()).unwrap_or(u64::MAX);
        while let Some(oldest) = self.kept.front() {
            let is_young = oldest.cursor.at > now.saturating_sub(ttl);
            if self.kept.len() <= retention.size && is_young {
                return;
            }
            if self.is_unread(oldest) {
                self.count.unread -= 1;
            }
            if let Some(gone) = self.kept.pop_front() {
                self.positions.remove(&gone.id);
                self.trimmed = gone.cursor;
            }
        }
    }

    pub(super) fn mark(&mut self, id: &str, mark: Mark, now: u64) -> (Marked, bool) {
        let position = self.positions.get(id).copied();
        let Some(kept) = position.and_then(|position| self.at(position)) else {
            return (Marked { found: false, count: self.count }, false);
        };
        if kept.payload.is_none() {
            return (Marked { found: false, count: self.count }, false);
        }
        let was_unread = self.is_unread(kept);
        if mark == Mark::Read && !was_unread {
            return (Marked { found: true, count: self.count }, false);
        }
        let index = self.index(kept.cursor.position);
        if let Some(kept) = index.and_then(|index| self.kept.get_mut(index)) {
            match mark {
                Mark::Read => kept.marked_read = true,
                Mark::Deleted => kept.payload = None,
            }
        }
        self.count.unread -= u64::from(was_unread);
        self.changed(now);
        (Marked { found: true, count: self.count }, true)
    }

    pub(super) fn mark_all(&mut self, now: u64) -> Count {
        self.read_through = self.newest.position;
        self.count.unread = 0;
        self.changed(now);
        self.count
    }

    /// Where nothing was ever kept the version is the time; a millisecond less, for a change may follow
    /// within it.
    pub(super) fn summary(&self, now: u64) -> Summary {
        let mut count = self.count;
        if count.version == 0 {
            count.version = now - 1;
        }
        Summary { cursor: self.newest, count }
    }

    /// The entry with this id, unless it was deleted.
    pub(super) fn find(&self, id: &str) -> Option<Entry> {
        self.at(*self.positions.get(id)?).and_then(|kept| self.entry(kept))
    }

    /// Of the newest entry.
    pub(super) fn newest(&self) -> Cursor {
        self.newest
    }

    pub(super) fn list(&self, before: u64, limit: usize, unread_only: bool) -> Vec<Entry> {
        let older = self.kept.iter().rev();
        older
            .filter(|kept| before == 0 || kept.cursor.position < before)
            .filter_map(|kept| self.entry(kept))
            .filter(|entry| entry.unread || !unread_only)
            .take(limit)
            .collect()
    }

    pub(super) fn since(&self, start: Start, now: u64) -> Since {
        let whole = match start {
            Start::After(cursor) => self.is_followed(cursor),
            Start::Newest | Start::Unread(0) => true,
            Start::Unread(position) => {
                (self.trimmed.position..=self.newest.position).contains(&position)
            }
        };
        let wanted = |kept: &&Kept| match start {
            Start::Newest => false,
            Start::After(cursor) if whole => kept.cursor.position > cursor.position,
            Start::After(cursor) => !cursor.covers(kept.cursor),
            Start::Unread(position) => {
                (kept.cursor.position > position || !whole) && self.is_unread(kept)
            }
        };
        let mut since = Since { whole, entries: Vec::new(), total: 0, summary: self.summary(now) };
        let mut room = PART_BYTES;
        for entry in self.kept.iter().filter(wanted).filter_map(|kept| self.entry(kept)) {
            let fits = since.entries.is_empty() || entry.payload.len() <= room;
            if fits && !since.has_more() && since.entries.len() < PART {
                room = room.saturating_sub(entry.payload.len());
                since.entries.push(entry);
            }
            since.total += 1;
        }
        since
    }

    /// Whether nothing is missing between the cursor and what is kept.
    fn is_followed(&self, cursor: Cursor) -> bool {
        let first = self.trimmed.position + 1;
        match cursor.position {
            position if position > self.newest.position => false,
            0 => first == 1,
            position if position == self.newest.position => cursor == self.newest,
            position if position + 1 == first => cursor == self.trimmed,
            position => self.at(position).is_some_and(|kept| kept.cursor == cursor),
        }
    }

    fn entry(&self, kept: &Kept) -> Option<Entry> {
        let payload = kept.payload.clone()?;
        let (cursor, id) = (kept.cursor, kept.id.clone());
        Some(Entry { cursor, unread: self.is_unread(kept), id, payload })
    }

    fn is_unread(&self, kept: &Kept) -> bool {
        let read = kept.marked_read || kept.cursor.position <= self.read_through;
        kept.payload.is_some() && !read
    }

    fn index(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.trimmed.position + 1)?).ok()
    }

    fn at(&self, position: u64) -> Option<&Kept> {
        self.kept.get(self.index(position)?)
    }

    fn changed(&mut self, now: u64) {
        self.count.version = now.max(self.count.version + 1);
    }
}
