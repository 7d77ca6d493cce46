//! One line on a terminal that says what is going on; nothing elsewhere.

use std::io::{IsTerminal, Write, stderr};

/// The progress line; dropping it wipes it.
pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { terminal: stderr().is_terminal() }
    }

    /// Replaces the line.
    pub(crate) fn say(&self, text: &str) {
        if self.terminal {
            // A lost progress line is no reason to stop.
            write!(stderr(), "\r\x1b[2K{text}…").ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            write!(stderr(), "\r\x1b[2K").ok();
        }
    }
}
