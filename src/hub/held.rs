//! What has been heard while a part of the log is being read, and has to come after it.

use std::sync::Arc;

use super::{Full, Quota};
use crate::delivery::Parcel;
use crate::notification::Cursor;

/// Parcels in the order they were heard. Those that are in the log need not be kept: when there are too
/// many, the log is read once more instead.
#[derive(Debug, Default)]
pub struct Held {
    parcels: Vec<Arc<Parcel>>,
    bytes: usize,
    let_go: bool,
}

/// What is left to do after a part of the log was delivered.
#[derive(Debug)]
pub struct Release {
    /// To be delivered, in order.
    pub parcels: Vec<Arc<Parcel>>,
    /// Some were let go; read the log again.
    pub read_again: bool,
}

impl Held {
    /// Keeps `parcel` for later.
    ///
    /// # Errors
    /// Even without those that the log has, there are more than the quota.
    pub fn hold(&mut self, parcel: Arc<Parcel>, quota: Quota) -> Result<(), Full> {
        let room = |held: &Self, size| {
            held.parcels.len() < quota.frames
                && (held.parcels.is_empty() || held.bytes + size <= quota.bytes)
        };
        let size = parcel.size();
        if !room(self, size) {
            self.let_go();
        }
        // What follows on something that was let go would leave a gap.
        if self.let_go && parcel.cursor().is_some() {
            return Ok(());
        }
        if !room(self, size) {
            return Err(Full);
        }
        self.bytes += size;
        self.parcels.push(parcel);
        Ok(())
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many notifications there are.
    pub fn notifications(&self) -> usize {
        self.parcels.iter().filter(|parcel| parcel.notification().is_some()).count()
    }

    /// Lets go what the log has; it has to be read once more.
    pub fn let_go(&mut self) {
        self.let_go = true;
        self.parcels.retain(|parcel| parcel.cursor().is_none());
        self.bytes = self.parcels.iter().map(|parcel| parcel.size()).sum();
    }

    /// What has to follow now that everything up to `through` was delivered, `ids` among it.
    pub fn release(self, through: Cursor, ids: &[Box<str>]) -> Release {
        let is_news = |parcel: &Arc<Parcel>| match (parcel.cursor(), parcel.notification()) {
            (Some(cursor), _) => !through.covers(cursor),
            // Heard on the channel, and read in the log: captured meanwhile.
            (None, Some(notification)) => !ids.iter().any(|id| **id == *notification.id_text()),
            (None, None) => true,
        };
        let parcels = self.parcels.into_iter().filter(is_news).collect();
        Release { parcels, read_again: self.let_go }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::notification::{Count, MissingId, Notification, Target};

    const QUOTA: Quota = Quota { frames: 3, bytes: 10_000 };

    fn notification(id: &str) -> Notification {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let (target, missing) = (Target::User("42"), MissingId::Kept(id));
        Notification::parse(b"{}", target, missing, now, 1000).unwrap()
    }

    fn logged(position: u64) -> Arc<Parcel> {
        let cursor = Cursor { position, at: 100 + position };
        let notification = notification(&position.to_string());
        Arc::new(Parcel::logged(notification, cursor, Count::default(), Instant::now()))
    }

    fn plain(id: &str) -> Arc<Parcel> {
        Arc::new(Parcel::plain(notification(id), Instant::now()))
    }

    fn names(release: &Release) -> Vec<String> {
        let id = |parcel: &Arc<Parcel>| parcel.notification().unwrap().id_text().into_owned();
        release.parcels.iter().map(id).collect()
    }

    #[test]
    fn what_the_part_had_already_is_not_delivered_again() {
        let mut held = Held::default();
        for parcel in [logged(4), plain("a"), logged(5)] {
            held.hold(parcel, QUOTA).unwrap();
        }
        let release = held.release(Cursor { position: 4, at: 104 }, &["4".into(), "a".into()]);
        assert_eq!((names(&release), release.read_again), (vec!["5".to_owned()], false));
    }

    #[test]
    fn too_many_are_let_go_as_far_as_the_log_has_them() {
        let mut held = Held::default();
        for parcel in [logged(4), plain("a"), logged(5), logged(6), plain("b"), logged(7)] {
            held.hold(parcel, QUOTA).unwrap();
        }
        let release = held.release(Cursor { position: 4, at: 104 }, &[]);
        assert_eq!((names(&release), release.read_again), (vec!["a".into(), "b".into()], true));
    }

    #[test]
    fn too_many_that_the_log_does_not_have_are_an_error() {
        let mut held = Held::default();
        for id in ["a", "b", "c"] {
            held.hold(plain(id), QUOTA).unwrap();
        }
        assert_eq!(held.hold(plain("d"), QUOTA), Err(Full));
    }
}
