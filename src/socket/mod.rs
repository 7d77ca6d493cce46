//! A connection taken over from HTTP, owned from the answer on: reading, writing, limits, timeouts, closing.
//!
//! Every worker thread has one [`Lane`] that holds its sockets. A lane writes straight to a socket while
//! it accepts bytes; a task waits per socket for input, and only that.

mod asking;
mod catching;
mod clock;
mod conn;
mod drain;
mod engine;
pub mod frame;
mod framing;
mod lane;
mod reading;
mod seat;
mod writing;

pub use catching::Greeting;
pub use clock::Clock;
pub use conn::Conn;
pub use engine::{
    Denied, Door, Entered, Found, Polled, Posted, Sessions, Stranger, Ticket, Welcome,
};
pub use framing::Framing;
pub use lane::{Lane, Rig};
pub use seat::Seat;
