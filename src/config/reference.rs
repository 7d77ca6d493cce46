//! Writes `docs/configuration.md` from the declaration of the options.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use clap::{Arg, Args, Command, CommandFactory};

use super::ServeArgs;
use crate::cli::Cli;

const INTRODUCTION: &str = "\
# Configuration

Every option is an environment variable and a flag of `campanile serve`; when both are given, the flag
wins. `campanile serve --help` prints the same texts. `campanile check` validates a configuration and
names everything that is wrong with it at once, as `serve` does before it starts.

* Durations are numbers with a unit, such as `500ms`, `10s`, `5m`, `12h` or `30d`.
* Sizes are in bytes, or numbers with `KiB` or `MiB`.
* Lists are separated by commas.
* An empty value is a mistake, not the default: leave a variable unset instead.
* A `CAMPANILE_*` variable that no option reads is warned about with the nearest known name. Kubernetes
  injects such variables for a Service called `campanile`; `enableServiceLinks: false` in the pod stops that.
* Secrets never show in logs, in `--help` or in error texts.
* `ACCESS_SECRET_KEY` is read when `CAMPANILE_JWT_SECRET` is unset.

This page is generated from the declaration of the options by `CAMPANILE_BLESS=1 cargo test --lib reference`.
";

#[test]
fn the_reference_in_the_docs_is_what_the_options_declare() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let expected = reference();
    if std::env::var_os("CAMPANILE_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/configuration.md is stale: CAMPANILE_BLESS=1 cargo test --lib reference"
    );
}

fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    let serve = ServeArgs::augment_args(Command::new("serve"));
    let mut heading = "";
    for arg in serve.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let next = arg.get_help_heading().unwrap();
        if heading != next {
            heading = next;
            begin_table(&mut page, heading);
        }
        write_row(&mut page, arg);
    }
    for command in Cli::command().get_subcommands() {
        let own = |arg: &&Arg| arg.get_env().is_some() && !has(&serve, arg);
        let mut own = command.get_arguments().filter(own).peekable();
        if own.peek().is_some() {
            begin_table(&mut page, &format!("Only for `campanile {}`", command.get_name()));
        }
        own.for_each(|arg| write_row(&mut page, arg));
    }
    page
}

fn has(command: &Command, arg: &Arg) -> bool {
    command.get_arguments().any(|other| other.get_env() == arg.get_env())
}

fn begin_table(page: &mut String, heading: &str) {
    write!(page, "\n## {heading}\n\n").unwrap();
    page.push_str("| variable | flag | default | meaning |\n|---|---|---|---|\n");
}

fn write_row(page: &mut String, arg: &Arg) {
    let variable = arg.get_env().unwrap().to_str().unwrap();
    let flag = arg.get_long().unwrap();
    let short = arg.get_help().unwrap().to_string();
    let long = arg.get_long_help().map(ToString::to_string);
    let details = long.as_deref().and_then(|long| long.split_once("\n\n")).map(|(_, rest)| rest);

    let declared = arg.get_default_values().first().map(|value| value.to_str().unwrap());
    let (meaning, described) = match short.split_once(" Default: ") {
        Some((meaning, default)) => (meaning, Some(default.trim_end_matches('.'))),
        None => (short.as_str(), None),
    };
    let default = match (declared, described) {
        (Some(value), None) => format!("`{value}`"),
        (None, Some(text)) => text.to_owned(),
        _ => panic!("--{flag} must have a default or describe it, and not both"),
    };
    let meaning = meaning.trim_end_matches('.');
    let details = details.map(|rest| format!(" {rest}")).unwrap_or_default().replace('\n', " ");
    let end = if details.is_empty() || details.ends_with('.') { "" } else { "." };
    writeln!(page, "| `{variable}` | `--{flag}` | {default} | {meaning}.{details}{end} |").unwrap();
}
