use clap::{CommandFactory, Parser};

use super::super::*;
use super::{args, command, read};
use crate::cli::Cli;

const HIDDEN: &str = "hunter2";

#[test]
fn no_secret_shows_in_problems_or_warnings() {
    let bad = [
        ("CAMPANILE_JWT_SECRET", "hunter2,"),
        ("ACCESS_SECRET_KEY", "hunter2,,"),
        ("CAMPANILE_PUBLISH_KEYS", "hunter2, hunter2"),
        ("CAMPANILE_JWKS_URL", "https://user:hunter2@id.example.com/"),
        ("CAMPANILE_SMTP_URL", "http://u:hunter2@relay"),
        ("CAMPANILE_SMTP_URL", "smtp://u:hunter2@relay:port"),
        ("CAMPANILE_SMTP_URL", "smtp://u:x?hunter2@relay"),
        ("CAMPANILE_REDIS_URL", "http://:hunter2@cache"),
        ("CAMPANILE_REDIS_URL", "hunter2://cache"),
        ("CAMPANILE_REDIS_URL", "redis://:hunter2@cache:port"),
        ("CAMPANILE_REDIS_URL", "redis://:hunter2/x@cache"),
        ("CAMPANILE_REDIS_URL", "redis://:x#hunter2@cache"),
        ("CAMPANILE_REDIS_URL", "redis://cache/hunter2"),
        ("CAMPANILE_REDIS_URL", "redis+sentinel://:hunter2@a,b"),
        ("CAMPANILE_REDIS_URL", "redis+sentinel://a/m?sentinel_pasword=hunter2"),
        ("CAMPANILE_REDIS_URL", "redis+cluster://:hunter2@a,b/hunter2"),
        ("CAMPANILE_AMQP_URL", "http://:hunter2@rabbitmq"),
        ("CAMPANILE_AMQP_URL", "amqp://:hunter2/x@rabbitmq"),
        ("CAMPANILE_AMQP_URL", "amqp://:hunter2@rabbitmq/a/b"),
        ("CAMPANILE_AMQP_URL", "amqp://:x#hunter2@rabbitmq"),
    ];
    for variable in bad {
        let error = Config::from_args(&args(&[variable]), JwtKey::Required).unwrap_err();
        assert!(!error.to_string().contains(HIDDEN), "{error}");
        assert!(!format!("{error:?}").contains(HIDDEN), "{error:?}");
    }
    let (_, warnings) = read(&[
        ("CAMPANILE_JWT_SECRET", " hunter2"),
        ("ACCESS_SECRET_KEY", "hunter2"),
        ("CAMPANILE_PUBLISH_KEYS", "hunter2"),
    ])
    .unwrap();
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(!format!("{warnings:?}").contains(HIDDEN), "{warnings:?}");
}

#[test]
fn no_secret_shows_in_debug_output() {
    let args = args(&[
        ("CAMPANILE_JWT_SECRET", "hunter2-hunter2-hunter2"),
        ("ACCESS_SECRET_KEY", "hunter2-hunter2-hunter2"),
        ("CAMPANILE_PUBLISH_KEYS", "hunter2-hunter2-hunter2"),
        ("CAMPANILE_REDIS_URL", "redis://:hunter2@cache"),
        ("CAMPANILE_SMTP_URL", "smtps://u:hunter2@relay"),
        ("CAMPANILE_MAIL_FROM", "a@b.example"),
        ("CAMPANILE_AMQP_URL", "amqp://:hunter2@rabbitmq"),
    ]);
    let (config, _) = Config::from_args(&args, JwtKey::Required).unwrap();
    assert!(!format!("{args:?}").contains(HIDDEN), "{args:?}");
    assert!(!format!("{config:?}").contains(HIDDEN), "{config:?}");
}

#[test]
fn every_secret_option_hides_its_variable_and_takes_a_leading_hyphen() {
    let secrets = [
        "jwt-secret",
        "access-secret-key",
        "publish-keys",
        "redis-url",
        "jwks-url",
        "smtp-url",
        "amqp-url",
        "key",
    ];
    let cli = Cli::command();
    let publish = cli.find_subcommand("publish").unwrap();
    for arg in cli.get_arguments().chain(publish.get_arguments()) {
        let name = arg.get_long().unwrap_or_default();
        let secret = secrets.contains(&name);
        assert_eq!(arg.is_hide_env_values_set(), secret, "{name}");
        if secret && name != "jwks-url" {
            assert!(arg.is_allow_hyphen_values_set(), "{name}");
        }
    }
}

#[test]
fn help_does_not_show_the_values_of_secret_variables() {
    // Any variable that is certainly set during a test run stands for the secret.
    let value = env!("CARGO_PKG_NAME");
    let help = command()
        .name("serve")
        .mut_arg("jwt_secret", |arg| arg.env("CARGO_PKG_NAME"))
        .render_long_help()
        .to_string();
    assert!(help.contains("[env: CARGO_PKG_NAME]"), "{help}");
    assert!(!help.contains(&format!("CARGO_PKG_NAME={value}")), "{help}");
}

#[test]
fn errors_about_flags_do_not_repeat_a_secret() {
    for flags in [
        &["--jwt-secert=hunter2"][..],
        &["--jwt-secert", "hunter2"],
        &["--jwt-secret", "-hunter2", "--no-such-flag"],
        &["--redis-url", "redis://:hunter2@cache", "--redis-url", "redis://:hunter2@cache"],
        &["publish", "--key", "-hunter2"],
    ] {
        let line = std::iter::once("campanile").chain(flags.iter().copied());
        let error = Cli::try_parse_from(line).unwrap_err().to_string();
        assert!(!error.contains(HIDDEN), "{error}");
    }
}
