//! Ways in for notifications: what a publication becomes, the recorder of plain ones, the queue. Knows the
//! broker and no sockets.

pub(crate) mod publication;
pub mod rabbit;
mod recorder;

pub use recorder::{Recorder, Recording};
