//! What the clients of a worker share, and how a connection ends.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::Notify;

use crate::record::{Clock, Recorder};
use crate::worker::Plan;

/// What a worker counts while it runs.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) open: Cell<usize>,
    pub(crate) received: Cell<u64>,
}

/// What a client is told from outside.
#[derive(Default)]
pub(crate) struct Signal {
    pub(crate) changed: Notify,
    /// Lose the connection and stay away this long.
    pub(crate) cut: Cell<Option<Duration>>,
    /// Do not read.
    pub(crate) stalled: Cell<bool>,
}

/// What the clients of a worker share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) plan: Plan,
    /// One per client of this worker.
    pub(crate) tokens: Vec<String>,
    pub(crate) signals: Vec<Signal>,
    pub(crate) buffer: RefCell<Box<[u8]>>,
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) counts: Counts,
}

impl Shared {
    /// Sockets open now: so many more.
    pub(super) fn count(&self, change: isize) {
        let open = &self.counts.open;
        open.set(open.get().saturating_add_signed(change));
    }
}

/// Why a connection ended.
pub(super) enum End {
    /// It was told to lose it, and to stay away so long.
    Cut(Duration),
    /// A close frame with this code.
    Code(Option<u16>),
    /// End of stream or an error without a close frame.
    Lost,
}

impl End {
    /// In words, for the counts of sockets that ended.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Cut(_) => "cut".to_owned(),
            Self::Code(Some(code)) => format!("close code {code}"),
            Self::Code(None) => "close without a code".to_owned(),
            Self::Lost => "connection lost".to_owned(),
        }
    }
}
