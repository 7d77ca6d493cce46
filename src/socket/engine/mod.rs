//! Connections of Socket.IO: a stream as soon as there is one, and until then polls that find them by their sid.

mod joining;
mod opening;
mod packets;
mod polling;
mod sessions;
mod testing;
mod upgrading;

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::dialect::Namespace;
use crate::dialect::socketio::packet::Given;
use crate::session::Talk;

pub use joining::{Denied, Door, Entered};
pub use opening::Welcome;
pub(super) use sessions::{Call, MAX_CALLS};
pub use sessions::{Found, Polled, Posted, Sessions, Stranger, Ticket};

use sessions::Registered;

/// How far a connection that polls is on its way to a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moving {
    No,
    /// There is one that it may move to.
    Probed,
    /// It works; the client moves when its poll has ended.
    Works,
}

/// What only a connection of Socket.IO has.
pub(super) struct Engine {
    pub(super) talk: Talk,
    /// Of one that began by polling: requests find it by its sid.
    registered: Option<Registered>,
    /// There until it has shown a valid token.
    stranger: Option<Stranger>,
    /// A poll that waits for something to say.
    parked: Option<oneshot::Sender<Polled>>,
    moving: Moving,
    /// It was told to stay away, and has a moment to go by itself.
    pub(super) parting: bool,
    /// A token that came with a request, for namespaces that bring none.
    carried: Option<Box<str>>,
    /// Namespaces whose token has to be looked at, one after the other.
    joins: VecDeque<(Namespace, Given)>,
    joining: bool,
}

impl Engine {
    fn new(talk: Talk, welcome: Welcome) -> Self {
        let Welcome { token, stranger } = welcome;
        Self {
            talk,
            registered: None,
            stranger: Some(stranger),
            parked: None,
            moving: Moving::No,
            parting: false,
            carried: token.map(Into::into),
            joins: VecDeque::new(),
            joining: false,
        }
    }

    /// The connection is over: a poll that still waits is told nothing more.
    pub(super) fn end(self) {
        if let Some(parked) = self.parked {
            parked.send(Polled::nothing()).ok();
        }
    }
}
