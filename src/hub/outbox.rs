//! What a socket has not taken yet.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;

use crate::delivery::Parcel;

/// Bounds of one outbox.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Frames that may wait, a partly written one included.
    pub frames: usize,
    /// Unwritten bytes that may wait; a single frame may exceed it.
    pub bytes: usize,
}

/// The outbox is full; the connection is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// One frame, and the notification it carries, if it carries one.
#[derive(Debug)]
struct Item {
    frame: Bytes,
    parcel: Option<Arc<Parcel>>,
}

/// Frames in order, the first of them perhaps partly written. Empty, it owns no memory.
#[derive(Debug, Default)]
pub struct Outbox {
    items: VecDeque<Item>,
    /// Bytes of the first frame that are written.
    written: usize,
    bytes: usize,
}

impl Outbox {
    /// Whether the next frame can go straight to the socket.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes not yet written.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a frame of which `written` bytes are already on the wire; those can only be the first's.
    ///
    /// # Errors
    /// `Full` when the quota is reached. One frame always fits, however large.
    pub fn push(
        &mut self,
        frame: Bytes,
        written: usize,
        parcel: Option<Arc<Parcel>>,
        quota: Quota,
    ) -> Result<(), Full> {
        let left = frame.len() - written;
        if !self.is_empty() && (self.items.len() >= quota.frames || self.bytes + left > quota.bytes)
        {
            return Err(Full);
        }
        self.append(frame, written, parcel);
        Ok(())
    }

    /// Appends the last frame of a connection, whatever the quota.
    pub fn push_last(&mut self, frame: Bytes) {
        self.append(frame, 0, None);
    }

    fn append(&mut self, frame: Bytes, written: usize, parcel: Option<Arc<Parcel>>) {
        debug_assert!(written == 0 || self.is_empty());
        self.bytes += frame.len() - written;
        if self.is_empty() {
            self.written = written;
        }
        self.items.push_back(Item { frame, parcel });
    }

    /// Drops what has not been begun, so that a last frame comes at a frame's boundary. How many
    /// notifications that were.
    pub fn abandon(&mut self) -> usize {
        let keep = usize::from(self.written > 0);
        let dropped = self.items.iter().skip(keep).filter(|item| item.parcel.is_some()).count();
        self.items.truncate(keep);
        self.bytes = self.items.front().map_or(0, |item| item.frame.len() - self.written);
        dropped
    }

    /// The first frame.
    pub fn first(&self) -> Option<&Bytes> {
        self.items.front().map(|item| &item.frame)
    }

    /// Takes the first frame, of which nothing is written, with its notification.
    pub fn pop(&mut self) -> Option<(Bytes, Option<Arc<Parcel>>)> {
        debug_assert!(self.written == 0);
        let Item { frame, parcel } = self.items.pop_front()?;
        self.bytes -= frame.len();
        if self.items.is_empty() {
            *self = Self::default();
        }
        Some((frame, parcel))
    }

    /// Drops everything; how many notifications that were.
    pub fn clear(&mut self) -> usize {
        std::mem::take(self).items.iter().filter(|item| item.parcel.is_some()).count()
    }

    /// The unwritten bytes, as many slices as fit.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        for (slice, item) in slices.iter_mut().zip(&self.items) {
            *slice = IoSlice::new(&item.frame[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// `count` bytes were written; calls `done` for every notification that is out completely.
    pub fn advance(&mut self, count: usize, mut done: impl FnMut(&Parcel)) {
        self.bytes -= count;
        let mut count = count + self.written;
        while let Some(item) = self.items.front() {
            if count < item.frame.len() {
                self.written = count;
                return;
            }
            count -= item.frame.len();
            if let Some(parcel) = &item.parcel {
                done(parcel);
            }
            self.items.pop_front();
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { frames: 3, bytes: 100 };

    fn frame(length: usize) -> Bytes {
        vec![b'x'; length].into()
    }

    #[test]
    fn it_is_full_by_count_or_by_bytes_but_takes_any_first_frame() {
        let mut outbox = Outbox::default();
        outbox.push(frame(500), 0, None, QUOTA).unwrap();
        assert_eq!(outbox.push(frame(1), 0, None, QUOTA), Err(Full));
        outbox.advance(499, |_| {});
        outbox.push(frame(1), 0, None, QUOTA).unwrap();
        outbox.push(frame(1), 0, None, QUOTA).unwrap();
        assert_eq!(outbox.push(frame(1), 0, None, QUOTA), Err(Full));
        outbox.push_last(frame(9));
        assert_eq!(outbox.bytes(), 12);
    }

    #[test]
    fn abandoning_keeps_the_frame_that_was_begun() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"first"), 2, None, QUOTA).unwrap();
        outbox.push(Bytes::from_static(b"second"), 0, None, QUOTA).unwrap();
        outbox.abandon();
        outbox.push_last(Bytes::from_static(b"last"));
        let mut slices = [IoSlice::new(&[]); 4];
        let count = outbox.slices(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(bytes, b"rstlast");
    }

    proptest! {
        #[test]
        fn whatever_is_written_in_whatever_pieces_comes_out_in_order(
            frames in proptest::collection::vec("[a-z]{1,9}", 1..8),
            steps in proptest::collection::vec(1..12usize, 1..60),
        ) {
            let mut outbox = Outbox::default();
            for text in &frames {
                outbox.push(text.clone().into(), 0, None, Quota { frames: 99, bytes: 999 }).unwrap();
            }
            let (all, mut out) = (frames.concat(), Vec::new());
            for step in steps {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = outbox.slices(&mut slices);
                let mut taken: Vec<u8> = slices[..count].iter().flat_map(|s| s.to_vec()).collect();
                taken.truncate(step);
                outbox.advance(taken.len(), |_| {});
                out.extend(taken);
                prop_assert_eq!(outbox.bytes(), all.len() - out.len());
            }
            prop_assert_eq!(&all.as_bytes()[..out.len()], &out[..]);
        }
    }
}
