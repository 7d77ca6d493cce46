//! Stopping is a sequence: not ready, still serving; closing, spread; over.

use std::sync::atomic::{AtomicU8, Ordering};

const SERVING: u8 = 0;
const LEAVING: u8 = 1;
const CLOSING: u8 = 2;

/// How far this replica has come in stopping.
#[derive(Debug, Default)]
pub struct Drain(AtomicU8);

impl Drain {
    /// Not ready from now on, so that load balancers look elsewhere; everything else goes on.
    pub fn leave(&self) {
        self.0.fetch_max(LEAVING, Ordering::AcqRel);
    }

    /// Nobody new from now on.
    pub fn close(&self) {
        self.0.fetch_max(CLOSING, Ordering::AcqRel);
    }

    /// Whether [`leave`](Self::leave) or [`close`](Self::close) was called: `/readyz` says 503.
    pub fn is_leaving(&self) -> bool {
        self.0.load(Ordering::Acquire) != SERVING
    }

    /// Whether [`close`](Self::close) was called: upgrades are answered with 503.
    pub fn is_closing(&self) -> bool {
        self.0.load(Ordering::Acquire) == CLOSING
    }
}
