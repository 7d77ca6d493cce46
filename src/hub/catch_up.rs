//! The newest entry of each user's log that the sockets here were given: what follows it is delivered, and
//! where something may be missing, the log is read and what is missing delivered first.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Batch, Heard, Hub, Membership};
use crate::broker::log::{Since, Summary};
use crate::delivery::Parcel;
use crate::notification::{Cursor, UserId};

/// A log that has to be read.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// Whose.
    pub user: UserId,
    /// After this.
    pub from: Cursor,
    reading: u32,
}

impl Hub {
    /// Puts an entry of the log of `user` into `batch`, if it follows `before` and that is what the sockets
    /// have. After [`Heard::Gap`] send the batch, then call [`doubt`](Self::doubt).
    pub fn deliver_logged(
        &self,
        user: &str,
        before: Cursor,
        parcel: &Arc<Parcel>,
        batch: &mut Batch,
    ) -> Heard {
        let mut shard = self.shard(user);
        let Some(entry) = shard.get_mut(user) else { return Heard::Nobody };
        let heard = entry.place.hear(before, parcel, entry.members.len());
        if matches!(heard, Heard::Next(_)) {
            entry.address(parcel, batch);
        }
        heard
    }

    /// As [`deliver`](Self::deliver), of a plain notification that will be captured: when it is heard of as an
    /// entry, the sockets have it. `None`: nobody of this user is here.
    pub fn deliver_plain(
        &self,
        user: &str,
        id: &str,
        parcel: &Arc<Parcel>,
        batch: &mut Batch,
    ) -> Option<UserId> {
        let mut shard = self.shard(user);
        let (user, _) = shard.get_key_value(user)?;
        let user = user.clone();
        let entry = shard.get_mut(&user)?;
        if entry.members.is_empty() {
            return None;
        }
        entry.place.delivered_plain(self.hasher.hash_one(id));
        entry.address(parcel, batch);
        Some(user)
    }

    /// A plain notification was captured, on whichever replica; `parcel` is the count after it. As
    /// [`deliver_logged`](Self::deliver_logged), and [`Heard::Gap`] also when it was not delivered here.
    pub fn deliver_captured(
        &self,
        user: &str,
        before: Cursor,
        id: &str,
        parcel: &Arc<Parcel>,
        batch: &mut Batch,
    ) -> Heard {
        let mut shard = self.shard(user);
        let Some(entry) = shard.get_mut(user) else { return Heard::Nobody };
        let id = self.hasher.hash_one(id);
        if !entry.place.has_plain(id) {
            return entry.place.miss(parcel);
        }
        let heard = entry.place.hear(before, parcel, entry.members.len());
        // In the other cases it will be read in the log, and must be known then.
        if matches!(heard, Heard::Next(_) | Heard::Known) {
            entry.place.confirm_plain(id);
        }
        if matches!(heard, Heard::Next(_)) {
            entry.address(parcel, batch);
        }
        heard
    }

    /// Something of this user may not have been heard: the log will be read. The caller has sent its batch.
    pub fn doubt(&self, user: &str) {
        let mut shard = self.shard(user);
        let Some(user) = shard.get_key_value(user).map(|(user, _)| user.clone()) else { return };
        if shard.get_mut(&user).is_some_and(|entry| entry.place.doubt()) {
            self.interest.doubt(user);
        }
    }

    /// Waits until a log has to be read; then takes up to `most`, which are to be given back to
    /// [`caught_up`](Self::caught_up) or [`not_read`](Self::not_read).
    pub async fn doubts(&self, most: usize) -> Vec<Doubt> {
        loop {
            let taken = self.take_doubts(most);
            if self.doubtful() > 0 {
                // For another who waits.
                self.interest.doubted().notify_one();
            }
            if !taken.is_empty() {
                return taken;
            }
            self.interest.doubted().notified().await;
        }
    }

    fn take_doubts(&self, most: usize) -> Vec<Doubt> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(user) = self.interest.next_doubt()
        {
            let reading = self.readings.fetch_add(1, Ordering::Relaxed);
            let mut shard = self.shard(user.as_str());
            let from = shard.get_mut(&user).and_then(|entry| entry.place.read(reading));
            drop(shard);
            taken.extend(from.map(|from| Doubt { user, from, reading }));
        }
        taken
    }

    /// Logs that have to be read and are not being read yet.
    pub fn doubtful(&self) -> usize {
        self.interest.doubts()
    }

    /// The log could not be read; it is tried again.
    pub fn not_read(&self, doubt: Doubt) {
        let mut shard = self.shard(doubt.user.as_str());
        let Some(entry) = shard.get_mut(&doubt.user) else { return };
        if entry.place.is_reading(doubt.reading) {
            entry.place.not_read(doubt.reading);
            self.interest.doubt(doubt.user);
        }
    }

    /// Delivers what was read and what was heard meanwhile; how many notifications the sockets were missing.
    /// `parcels` are the entries of `since`; `news` is asked for what else there is to say, with whether the
    /// count is newer than what the sockets were told last.
    pub fn caught_up(
        &self,
        doubt: Doubt,
        since: &Since,
        parcels: &[Arc<Parcel>],
        news: impl FnOnce(bool) -> Option<Arc<Parcel>>,
    ) -> usize {
        let mut batch = Batch::new(self.lanes());
        let mut shard = self.shard(doubt.user.as_str());
        let Some(entry) = shard.get_mut(&doubt.user) else { return 0 };
        if !entry.place.is_reading(doubt.reading) {
            return 0;
        }
        let mut ids: Vec<Box<str>> = Vec::with_capacity(parcels.len());
        let mut missing = 0;
        let news = news(entry.place.is_newer(since.summary.count));
        if let Some(news) = news.as_ref().filter(|_| !since.whole) {
            entry.address(news, &mut batch);
        }
        for parcel in parcels {
            let Some(notification) = parcel.notification() else { continue };
            let id: Box<str> = notification.id_text().into();
            if !entry.place.confirm_plain(self.hasher.hash_one(&*id)) {
                entry.address(parcel, &mut batch);
                missing += 1;
            }
            ids.push(id);
        }
        entry.place.count(Some(since.summary.count));
        if let Some(news) = news.filter(|_| since.whole) {
            entry.address(&news, &mut batch);
        }
        for parcel in entry.place.caught_up(since.end(), &ids, since.has_more()) {
            entry.address(&parcel, &mut batch);
        }
        let again = entry.place.is_doubtful();
        // Still under the lock: what is heard from now on has to come later.
        batch.send();
        drop(shard);
        if again {
            self.interest.doubt(doubt.user);
        }
        missing
    }
}

impl Membership {
    /// Whether it is known here how far the sockets of this user have heard the log.
    pub fn is_placed(&self) -> bool {
        let shard = self.hub.shard(self.user.as_str());
        shard.get(&self.user).is_some_and(|entry| entry.place.is_known())
    }

    /// The log stood there after the subscription: what is appended later is delivered, come what may.
    pub fn stands(&self, summary: &Summary) {
        let mut shard = self.hub.shard(self.user.as_str());
        let Some(entry) = shard.get_mut(&self.user) else { return };
        if entry.place.stands(summary) {
            self.hub.interest.doubt(self.user.clone());
        }
    }
}
