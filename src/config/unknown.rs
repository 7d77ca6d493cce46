use std::collections::BTreeSet;
use std::ffi::OsString;

use super::Warning;

const PREFIX: &str = "CAMPANILE_";

/// Warns about every `CAMPANILE_*` variable that no option of `command` or its subcommands reads,
/// with the nearest name that one does read. Pass `std::env::vars_os()`.
pub fn unknown_variables(
    command: &clap::Command,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<Warning> {
    let mut known = BTreeSet::new();
    collect_names(command, &mut known);
    let names: BTreeSet<_> = variables
        .into_iter()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name))
        .collect();
    names
        .into_iter()
        .filter_map(|name| {
            let nearest = known.iter().min_by_key(|known| remoteness(&name, known))?;
            Some(Warning::new(format!("unknown variable {name}; the nearest known is {nearest}")))
        })
        .collect()
}

fn collect_names(command: &clap::Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(variables.filter_map(|name| name.to_str()).map(str::to_owned));
    command.get_subcommands().for_each(|command| collect_names(command, known));
}

/// A name with a part left out (`ORIGINS`) is nearer to the whole (`ALLOWED_ORIGINS`) than to a
/// name that merely looks alike (`WORKERS`).
fn remoteness(name: &str, known: &str) -> (bool, usize) {
    let part = name.strip_prefix(PREFIX).unwrap_or(name);
    (!known.contains(part), distance(name, known))
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}
