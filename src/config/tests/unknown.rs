use std::ffi::OsString;

use clap::CommandFactory;

use super::super::unknown_variables;
use crate::cli::Cli;

fn warnings(names: &[&str]) -> Vec<String> {
    let variables = names.iter().map(|name| (OsString::from(name), OsString::from("hunter2")));
    unknown_variables(&Cli::command(), variables).iter().map(ToString::to_string).collect()
}

#[test]
fn an_unknown_variable_is_warned_about_with_the_nearest_known_name() {
    for (unknown, nearest) in [
        ("CAMPANILE_JWT_SECERT", "CAMPANILE_JWT_SECRET"),
        ("CAMPANILE_REDIS", "CAMPANILE_REDIS_URL"),
        ("CAMPANILE_ORIGINS", "CAMPANILE_ALLOWED_ORIGINS"),
        ("CAMPANILE_ALLOWED_ORIGIN", "CAMPANILE_ALLOWED_ORIGINS"),
        ("CAMPANILE_PUBLISH_KEYZ", "CAMPANILE_PUBLISH_KEY"),
        ("CAMPANILE_LOGFORMAT", "CAMPANILE_LOG_FORMAT"),
    ] {
        let expected = format!("unknown variable {unknown}; the nearest known is {nearest}");
        assert_eq!(warnings(&[unknown]), [expected]);
    }
}

#[test]
fn known_and_foreign_variables_are_not() {
    let names = ["CAMPANILE_LISTEN", "CAMPANILE_PUBLISH_KEY", "ACCESS_SECRET_KEY", "PATH", "CAMP"];
    assert_eq!(warnings(&names), [""; 0]);
}

#[test]
fn every_unknown_variable_is_named_once_and_never_its_value() {
    let found = warnings(&["CAMPANILE_PORT", "CAMPANILE_SERVICE_HOST", "CAMPANILE_PORT"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|text| !text.contains("hunter2")), "{found:?}");
}
