//! The only place that writes to a person's terminal.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what it is for")]

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::config::Problems;

/// A line for people or pipes.
pub(super) fn say(line: impl AsRef<str>) {
    println!("{}", line.as_ref());
}

/// A line that is no result: a warning, or progress.
pub(super) fn note(line: impl AsRef<str>) {
    eprintln!("{}", line.as_ref());
}

/// `text` in bold where that can be seen.
pub(super) fn bold(text: &str) -> String {
    styled("1", text)
}

pub(super) fn green(text: &str) -> String {
    styled("32", text)
}

pub(super) fn red(text: &str) -> String {
    styled("31", text)
}

pub(super) fn dim(text: &str) -> String {
    styled("2", text)
}

fn styled(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Says why a command failed. Exit code 2 for what the person can change on the command line.
pub(super) fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("campanile: {error:#}");
    ExitCode::from(if error.is::<Problems>() { 2 } else { 1 })
}
