//! Each scenario once, as small as it goes, against servers that it starts itself; and what a person gets
//! who asks for something impossible. The figures of so small runs mean nothing; what is checked is that
//! everything was counted and nothing was lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const TOOL: &str = env!("CARGO_BIN_EXE_campanile-loadtest");
/// Far beyond what a small run takes, on any machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs the tool to its end.
fn tool(arguments: &[&str]) -> Output {
    let mut command = Command::new(TOOL);
    command.args(arguments);
    finish(&mut command)
}

fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["CAMPANILE_JWT_SECRET", "CAMPANILE_PUBLISH_KEY"] {
        command.env_remove(name);
    }
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    // Its output is a few kilobytes, which the pipes hold.
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} has not ended: {:?}", child.wait_with_output());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// A file of this test alone.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Runs a scenario that has to succeed; gives its result in JSON.
fn measured(arguments: &str) -> Value {
    let gateway = Path::new(TOOL).with_file_name("campanile");
    assert!(gateway.is_file(), "no gateway beside the tool: run `cargo build --workspace` before");
    let name = arguments.replace([' ', '.', ','], "-");
    let (json, page) = (file(&format!("{name}.json")), file(&format!("{name}.html")));
    let mut words: Vec<&str> = arguments.split(' ').collect();
    words.extend(["--json", json.to_str().unwrap(), "--report", page.to_str().unwrap()]);
    let output = tool(&words);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments}:\n{text}{errors}");
    assert_eq!(errors, "", "no progress is shown where there is no terminal");
    assert!(text.contains("imited by"), "what limited the run is named:\n{text}");
    let report = std::fs::read_to_string(&page).unwrap();
    assert!(report.contains("<table>") && report.contains("</html>"), "{report}");
    let value: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(value["faults"], serde_json::json!([]));
    for file in [json, page] {
        std::fs::remove_file(file).unwrap();
    }
    value["result"].clone()
}

/// Everything that was published arrived, and there was something.
fn whole(part: &Value) {
    let (expected, received) = (part["expected"].as_u64(), part["received"].as_u64());
    assert!(expected > Some(0) && expected == received, "{part}");
}

#[test]
fn idle_tells_memory_per_connection_beside_the_floor() {
    let result = measured("idle --connections 40 --steps 10 --settle 0.1 --seconds 0.3");
    for who in ["gateway", "floor"] {
        let steps = &result[who][0]["steps"];
        let open = [0, 1].map(|step| steps[step]["connections"].as_u64());
        assert_eq!(open, [Some(10), Some(40)], "{result}");
        for step in [0, 1] {
            assert!(steps[step]["resident_bytes"].as_u64() > Some(100_000), "{result}");
            assert!(steps[step]["usage"]["seconds"].as_f64() >= Some(0.3), "{result}");
        }
    }
}

#[test]
fn unicast_delivers_all_over_several_workers_beside_its_floors() {
    let result =
        measured("unicast --users 30 --rate 300 --seconds 1 --warm-up 0.2 --workers 3 --rounds 2");
    let rounds = result["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    for part in rounds.iter().flat_map(|round| [&round["gateway"], &round["redis"], &round["tcp"]])
    {
        whole(part);
    }
    assert!(result["median"]["latency"]["p50_us"].as_f64() > Some(1.0), "{result}");
}

#[test]
fn rates_tell_what_one_more_notification_takes() {
    let result =
        measured("rates --users 10 --rates 100,400,200 --seconds 0.5 --warm-up 0.1 --rounds 2");
    let rounds = result["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    for parts in rounds {
        let parts = parts.as_array().unwrap();
        assert_eq!(parts.len(), 3);
        parts.iter().for_each(whole);
    }
    assert!(result["median"]["slope_cpu_us_per_delivery"].is_number(), "{result}");
}

#[test]
fn every_dialect_and_lane_of_the_gateway_delivers() {
    for (dialect, lane) in [("envelope", "fcall"), ("campanile.v1", "http"), ("bare", "publish")] {
        let result = measured(&format!(
            "unicast --users 10 --saturate --window 20 --seconds 0.5 --warm-up 0.1 --no-floor \
             --dialect {dialect} --publish {lane}"
        ));
        whole(&result["rounds"][0]["gateway"]);
    }
}

/// All sockets had all of it, of the gateway and of the floor.
fn spread(result: &Value) {
    for who in ["gateway", "floor"] {
        let of = &result["rounds"][0][who];
        whole(&of["part"]);
        assert!(of["last_p50_ms"].as_f64() > Some(0.0), "{who}: {result}");
    }
    assert!(result["median"]["last_socket_ratio"].as_f64() > Some(0.0), "{result}");
}

#[test]
fn a_broadcast_reaches_everyone_and_is_timed_to_the_last() {
    let result = measured("broadcast --connections 20 --rate 10 --seconds 1 --warm-up 0.2");
    spread(&result);
}

#[test]
fn a_fanout_reaches_all_sockets_of_one_user() {
    let result = measured("fanout --connections 40 --rate 10 --seconds 1 --warm-up 0.2");
    spread(&result);
}

#[test]
fn a_storm_is_survived_by_all() {
    let result = measured("storm --connections 50 --away 0.5");
    for rush in ["connect", "reconnect", "floor"] {
        assert_eq!(result["rounds"][0][rush]["open"], 50, "{result}");
    }
    assert_eq!(result["rounds"][0]["reconnect"]["each"]["count"], 50, "{result}");
}

#[test]
fn jitter_loses_nothing_and_answers_to_its_old_name() {
    let result =
        measured("resume --clients 20 --rate 5 --seconds 3 --cut-every 1 --away 0.3 --replicas 2");
    let round = &result["rounds"][0];
    assert!(round["reconnects"].as_u64() > Some(0) && round["replayed"].as_u64() > Some(0));
    assert_eq!(round["published"], round["received"]);
}

#[test]
fn a_rolling_restart_loses_nothing() {
    let result = measured(
        "restart --replicas 2 --clients 20 --rate 50 --pause 0.3 --drain-delay 0.2 --drain-window 0.5",
    );
    let round = &result["rounds"][0];
    assert_eq!(round["published"], round["received"]);
    assert!(round["reconnects"].as_u64() >= Some(20), "everyone has moved: {round}");
}

#[test]
fn readers_that_stand_still_do_not_hold_up_the_others() {
    let result = measured("slow --clients 20 --share 20 --rate 20 --bytes 300 --seconds 1");
    whole(&result["rounds"][0]["all_read"]);
    whole(&result["rounds"][0]["some_stand"]);
}

#[test]
fn everyone_is_served_again_after_redis_was_lost() {
    let result = measured("redis-loss --clients 20 --rate 100 --away 0.5 --seconds 1");
    whole(&result["rounds"][0]["before"]);
    whole(&result["rounds"][0]["after"]);
    assert_eq!(result["rounds"][0]["sockets_ended"], 0, "{result}");
}

#[test]
fn durable_publishes_are_counted_on_every_lane() {
    let result = measured(
        "durable --users 10 --entries 5 --batch 50 --posters 2 --seconds 0.5 --warm-up 0.1 --connected",
    );
    for lane in ["plain", "function", "http"] {
        assert!(result["rounds"][0][lane]["publishes"].as_u64() > Some(0), "{result}");
    }
}

#[test]
fn peers_and_floors_are_compared_in_turn() {
    let result = measured(
        "compare --servers campanile,socket.io,ws --connections 40 --users 20 --rate 100 --window 40 \
         --seconds 0.3 --warm-up 0.1 --settle 0.1 --rounds 2",
    );
    let subjects = result.as_array().unwrap();
    assert_eq!(subjects.len(), 6, "{result}");
    for subject in subjects {
        assert_eq!(subject["rounds"].as_array().unwrap().len(), 2, "{subject}");
    }
    for subject in &subjects[..5] {
        let rate = &subject["rounds"][1]["deliveries_per_second"];
        assert!(rate.as_f64() > Some(0.0), "{subject}");
    }
}

#[test]
fn what_cannot_be_run_is_said_in_one_line_with_exit_code_2() {
    let refused = |output: &Output, words: &[&str]| {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert_eq!((text.lines().count(), output.stdout.len()), (1, 0), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text} lacks one of {words:?}");
    };
    refused(&tool(&["idle", "--conections", "5"]), &["--conections", "--help"]);
    refused(&tool(&["unicast", "--rate", "fast"]), &["--rate"]);
    refused(&tool(&["unicast"]), &["--rate"]);
    refused(&tool(&["idle", "--dialect", "morse"]), &["morse", "campanile.v1"]);
    let attach = |url, more: &[&str]| {
        let words = ["unicast", "--rate", "10", "--jwt-secret", "s", "--gateway", url];
        tool(&[&words, more].concat())
    };
    let redis = ["--redis", "redis://127.0.0.1:1"];
    // Nothing listens on port 1.
    refused(&attach("http://127.0.0.1:1", &redis), &["cannot connect", "127.0.0.1:1"]);
    // An address for documentation, which no test may ever load.
    refused(&attach("http://192.0.2.1", &redis), &["192.0.2.1", "--i-own-this-server"]);
    refused(&attach("https://127.0.0.1", &redis), &["https://127.0.0.1", "TLS"]);
    refused(
        &tool(&["storm", "--gateway", "http://127.0.0.1:1", "--jwt-secret", "s"]),
        &["--gateway"],
    );
    refused(&tool(&["idle", "--redis-server", "/no/redis"]), &["redis-server", "/no/redis"]);
    refused(&tool(&["idle", "--campanile", "/no/gateway"]), &["/no/gateway"]);
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 300 && exec \"$0\" idle --connections 5000", TOOL]);
    refused(&finish(&mut few), &["5000 sockets", "file descriptors", "ulimit -n"]);
}
