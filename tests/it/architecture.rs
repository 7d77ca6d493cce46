//! The absences that ARCHITECTURE.md promises, read from the source.

use std::fs;
use std::path::{Path, PathBuf};

/// Who must not name what, and why. A needle is looked for in code, not in comments.
const ABSENCES: &[(&str, &[&str], &str)] = &[
    ("src/hub", &["redis::", "actix", "dialect"], "the hub knows who is connected, nothing else"),
    ("src/session", &["redis::", "actix", "tokio::net", "Instant::now("], "sessions are pure"),
    (
        "src/dialect",
        &["tokio", "actix", "redis::", "std::net", "Instant", "crate::hub"],
        "dialects are pure text",
    ),
    ("src/notification", &["tokio", "actix", "redis::", "std::net"], "nouns do no IO"),
    ("src/auth", &["actix", "redis::", "crate::socket", "crate::hub"], "tokens know no sockets"),
    (
        "src/broker",
        &["actix", "crate::socket", "crate::session", "crate::dialect"],
        "the broker knows no sockets",
    ),
    ("src/socket", &["redis::", "crate::broker", "crate::http"], "sockets know no broker"),
    (
        "src/ingest",
        &["redis::", "actix", "crate::socket", "crate::hub", "crate::session"],
        "what comes in knows no sockets",
    ),
    (
        "src/mail",
        &["redis::", "actix", "crate::socket", "crate::hub", "crate::session", "crate::http"],
        "who mails knows the schedule and the mail server",
    ),
    (
        "src/worker.rs",
        &["crate::socket", "crate::hub", "crate::auth", "crate::app"],
        "a worker has no sockets and no keys",
    ),
    ("src/http", &["SUBSCRIBE\"", "PUBLISH\"", "deadpool"], "only broker/redis speaks Redis"),
    ("src/cli", &["deadpool", "actix"], "commands use the rooms"),
    (
        "src/config",
        &["tokio", "actix", "crate::hub", "crate::broker", "crate::auth"],
        "configuration knows nothing else",
    ),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Code lines with their numbers; comments and unit tests left out.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().take_while(|(_, line)| *line != "#[cfg(test)]");
    lines
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line.to_owned()))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn no_room_names_what_it_must_not_know() {
    let mut found = Vec::new();
    for (room, needles, why) in ABSENCES {
        let room = root().join(room);
        for path in if room.is_file() { vec![room] } else { sources(&room) } {
            let is_test =
                path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests");
            for (number, line) in code(&path) {
                if !is_test && needles.iter().any(|needle| line.contains(needle)) {
                    found.push(format!("{}:{number}: {} ({why})", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn only_the_redis_room_uses_the_redis_crates() {
    for path in sources(&root().join("src")) {
        if path.starts_with(root().join("src/broker/redis")) {
            continue;
        }
        for (number, line) in code(&path) {
            let named = line.starts_with("use redis::") || line.contains("deadpool_redis");
            assert!(!named, "{}:{number}: {line}", path.display());
        }
    }
}

#[test]
fn only_the_room_of_rabbitmq_uses_its_crate() {
    for path in sources(&root().join("src")) {
        if path.starts_with(root().join("src/ingest/rabbit")) {
            continue;
        }
        for (number, line) in code(&path) {
            assert!(!line.contains("lapin::"), "{}:{number}: {line}", path.display());
        }
    }
}

#[test]
fn files_stay_small() {
    for path in sources(&root().join("src")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 450, "{} has {lines} lines: is it one idea?", path.display());
    }
}
