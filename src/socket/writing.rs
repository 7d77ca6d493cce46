//! Writing: straight to the socket while it accepts, through the outbox when it does not.

use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;

use super::catching::CATCHING_UP;
use super::{Conn, Lane};
use crate::delivery::Parcel;
use crate::session::CloseReason;

/// Frames handed to the kernel in one call.
const SLICES: usize = 32;

impl Conn {
    /// Sends `frame`, or queues what the socket does not take. `parcel` is the notification in it.
    pub(super) fn send(
        self: &Rc<Self>,
        lane: &Rc<Lane>,
        frame: &Bytes,
        parcel: Option<&Arc<Parcel>>,
    ) {
        let mut state = self.state.borrow_mut();
        if state.ending.is_some() {
            return;
        }
        let mut written = 0;
        if let (Some(stream), true) = (self.stream.get(), state.outbox.is_empty()) {
            match stream.try_write(frame) {
                Ok(count) if count == frame.len() => {
                    if let Some(parcel) = parcel {
                        state.sent = state.sent.wrapping_add(1);
                        lane.delivered(self.dialect, parcel);
                    }
                    return;
                }
                Ok(count) => written = count,
                // Other errors reach the reading task, which ends the connection.
                Err(_) => {}
            }
        }
        let quota = if state.catching.is_some() { CATCHING_UP } else { lane.rig.quota };
        let pushed = state.outbox.push(frame.clone(), written, parcel.cloned(), quota);
        let open = self.stream.get().is_some();
        let start = open && !state.flushing;
        state.flushing |= open;
        drop(state);
        match pushed {
            Ok(()) => {
                lane.rig.metrics.queued(0, frame.len() - written);
                if start {
                    actix_rt::spawn(self.clone().flush(lane.clone()));
                } else if !open {
                    self.answer_poll(lane);
                }
            }
            Err(_full) => {
                lane.rig
                    .metrics
                    .dropped(CloseReason::TooSlow.label(), usize::from(parcel.is_some()));
                self.close(lane, CloseReason::TooSlow);
            }
        }
    }

    /// Sends the last frame of the connection, behind what is queued.
    pub(super) fn send_last(self: &Rc<Self>, lane: &Rc<Lane>, frame: Bytes) {
        let mut state = self.state.borrow_mut();
        lane.rig.metrics.queued(0, frame.len());
        state.outbox.push_last(frame);
        let start = !state.flushing && self.stream.get().is_some();
        state.flushing |= start;
        drop(state);
        if start && !self.write_some(lane) {
            actix_rt::spawn(self.clone().flush(lane.clone()));
        }
    }

    /// Sends what waited for the socket to open.
    pub(super) fn send_waiting(self: &Rc<Self>, lane: &Rc<Lane>) {
        let mut state = self.state.borrow_mut();
        let start = !state.outbox.is_empty() && !state.flushing;
        state.flushing |= start;
        drop(state);
        if start && !self.write_some(lane) {
            actix_rt::spawn(self.clone().flush(lane.clone()));
        }
    }

    /// Waits for the socket and writes until the outbox is empty. A peer that takes nothing for the write
    /// timeout is given up.
    async fn flush(self: Rc<Self>, lane: Rc<Lane>) {
        let Some(stream) = self.stream.get() else { return };
        while !self.write_some(&lane) {
            match timeout(lane.rig.write_timeout, stream.writable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_elapsed) => {
                    self.close(&lane, CloseReason::WriteTimeout);
                    return self.cut();
                }
            }
        }
    }

    /// Writes what the socket takes now; `true` when nothing is left to do.
    fn write_some(&self, lane: &Lane) -> bool {
        let Some(stream) = self.stream.get() else { return true };
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        while !state.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = state.outbox.slices(&mut slices);
            match stream.try_write_vectored(&slices[..count]) {
                Ok(written) => {
                    lane.rig.metrics.queued(written, 0);
                    state.outbox.advance(written, |parcel| {
                        state.sent = state.sent.wrapping_add(1);
                        lane.delivered(self.dialect, parcel);
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // The reading task sees the same error and ends the connection.
                Err(_) => break,
            }
        }
        state.flushing = false;
        if let Some(catching) = &state.catching {
            catching.drained.notify_one();
        }
        true
    }
}
