//! Ways in for notifications besides channels and HTTP. Knows the broker and no sockets.

mod recorder;

pub use recorder::{Recorder, Recording};
