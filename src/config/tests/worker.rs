use clap::builder::Resettable;
use clap::{Args, Command, FromArgMatches};

use super::super::{Problems, Worker, WorkerArgs};

fn read(flags: &[&str]) -> Result<Worker, Problems> {
    let command =
        WorkerArgs::augment_args(Command::new("worker")).mut_args(|arg| arg.env(Resettable::Reset));
    let matches = command.try_get_matches_from([&["worker"], flags].concat()).unwrap();
    let args = WorkerArgs::from_arg_matches(&matches).unwrap();
    Worker::from_args(&args).map(|(worker, _)| worker)
}

const REDIS: &str = "--redis-url=redis://cache";
const AMQP: &str = "--amqp-url=amqp://rabbitmq";

#[test]
fn a_worker_has_a_redis_and_a_role_and_needs_no_key_for_tokens() {
    let worker = read(&[REDIS, AMQP]).unwrap();
    assert_eq!(worker.ops.to_string(), "0.0.0.0:9090");
    assert_eq!((worker.inbox.size, worker.inbox.capture), (200, false));
    assert_eq!(worker.max_payload_bytes, 65_536);
    assert!(worker.amqp.is_some());
}

#[test]
fn a_worker_without_a_redis_or_a_role_is_told_both() {
    for (flags, expected) in [
        (&[][..], &["--redis-url", "--amqp-url"][..]),
        (&[REDIS], &["--amqp-url"]),
        (&[AMQP], &["--redis-url"]),
        (&[REDIS, "--amqp-url=hunter2"], &["--amqp-url"]),
    ] {
        let problems = read(flags).unwrap_err();
        let found: Vec<String> = problems.iter().map(|it| it.setting().flag()).collect();
        assert_eq!(found, expected, "{problems}");
        let text = problems.to_string();
        assert!(text.contains("; example: ") && !text.contains("hunter2"), "{text}");
    }
}
