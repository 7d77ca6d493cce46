//! What a person types: the commands and their options.

mod args;

pub use args::{Cli, Command, Healthcheck, Publish, Target, Token};
