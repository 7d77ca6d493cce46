//! What an operator can rely on: defaults, accepted and refused values, and no secret in any text.

mod contradictions;
mod secrecy;
mod unknown;
mod values;
mod worker;

use clap::builder::Resettable;
use clap::{Args, Command, FromArgMatches};

use super::{Config, JwtKey, Problems, ServeArgs, Warning};

/// Passes as a JWT secret without a warning.
const STRONG: &str = "a-secret-of-more-than-32-bytes-for-tests";

/// The options of `serve`, deaf to the environment of the test run.
fn command() -> Command {
    ServeArgs::augment_args(Command::new("serve")).mut_args(|arg| arg.env(Resettable::Reset))
}

/// The options as if these variables were set.
fn args(variables: &[(&str, &str)]) -> ServeArgs {
    let flags = variables.iter().map(|(name, value)| {
        let name = name.trim_start_matches("CAMPANILE_").to_ascii_lowercase().replace('_', "-");
        format!("--{name}={value}")
    });
    let matches = command().try_get_matches_from(std::iter::once("serve".to_owned()).chain(flags));
    ServeArgs::from_arg_matches(&matches.unwrap()).unwrap()
}

/// Reads these variables on top of a JWT secret.
fn read(variables: &[(&str, &str)]) -> Result<(Config, Vec<Warning>), Problems> {
    let mut args = args(variables);
    if args.auth.secret.jwt_secret.is_none() {
        args.auth.secret.jwt_secret = Some(super::Secret::new(STRONG));
    }
    Config::from_args(&args, JwtKey::Required)
}

/// The texts of the problems with these variables.
fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    read(variables).unwrap_err().iter().map(ToString::to_string).collect()
}

fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    read(variables).unwrap().1.iter().map(ToString::to_string).collect()
}
