//! One line on a terminal that says what is going on and how far it is; nothing elsewhere.

use std::io::{IsTerminal, Write, stderr};

use crate::stats::float;

/// Characters of the bar.
const WIDTH: usize = 24;

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

    /// Replaces the line with a bar, `part` of `whole` full, and a text.
    pub(crate) fn bar(&self, part: f64, whole: f64, text: &str) {
        if self.terminal {
            write!(stderr(), "\r\x1b[2K{} {text}", bar(part, whole)).ok();
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

fn bar(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    let full =
        (1..=WIDTH).filter(|cell| share * float(WIDTH as u64) >= float(*cell as u64) - 0.5).count();
    format!("{}{} {:3.0} %", "█".repeat(full), "░".repeat(WIDTH - full), 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_from_the_left() {
        assert_eq!(bar(0.0, 10.0), format!("{}   0 %", "░".repeat(24)));
        assert_eq!(bar(5.0, 10.0), format!("{}{}  50 %", "█".repeat(12), "░".repeat(12)));
        assert_eq!(bar(20.0, 10.0), format!("{} 100 %", "█".repeat(24)));
    }
}
