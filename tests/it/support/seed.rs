//! Randomness that can be replayed.

use std::ffi::OsStr;

use fastrand::Rng;

const VARIABLE: &str = "CAMPANILE_TEST_SEED";

/// A generator seeded from `CAMPANILE_TEST_SEED`, or from a fresh seed; a failing test prints it.
pub(crate) fn rng() -> Rng {
    with(std::env::var_os(VARIABLE).as_deref())
}

/// The same, for what the variable holds.
pub(crate) fn with(variable: Option<&OsStr>) -> Rng {
    let seed = match variable {
        Some(text) => text
            .to_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{VARIABLE} is not a number: {}", text.display())),
        None => fastrand::u64(..),
    };
    eprintln!("replay with {VARIABLE}={seed}");
    Rng::with_seed(seed)
}
