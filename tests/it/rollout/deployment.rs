//! The chart's Deployment as Helm renders it, and what a kubelet does with its pods.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::{sleep, sleep_until};

use crate::support::gateway::Gateway;
use crate::support::process::Process;
use crate::support::wait::{PATIENCE, eventually};

/// Helm may have to be built first.
const RENDERING: Duration = Duration::from_mins(5);

/// What of a Deployment decides how its pods come and go.
pub(super) struct Deployment {
    pub(super) replicas: usize,
    /// Of each container: the image's entrypoint is the binary.
    args: Vec<String>,
    environment: BTreeMap<String, String>,
    startup: Probe,
    pub(super) readiness: Probe,
    pub(super) pre_stop: Duration,
    pub(super) grace: Duration,
    min_ready: Duration,
}

/// An HTTP probe of the private port.
pub(super) struct Probe {
    pub(super) path: String,
    pub(super) period: Duration,
    pub(super) failures: u64,
}

/// One replica.
pub(super) struct Pod {
    pub(super) gateway: Gateway,
}

impl Deployment {
    /// What the chart makes of this file of values; `secrets` are the keys of the Secret that it reads.
    pub(super) async fn rendered(values: &str, secrets: &[(&str, &str)]) -> Self {
        let mut command = Command::new("tests/chart/run");
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--render", "--values", values]);
        let output = Process::run(&mut command, RENDERING).await;
        assert!(output.status.success(), "{}", output.stderr);
        let objects: Vec<Value> = serde_json::from_str(&output.stdout).expect("prints JSON");
        Self::of(&objects, secrets)
    }

    fn of(objects: &[Value], secrets: &[(&str, &str)]) -> Self {
        let spec = &object(objects, "Deployment", "campanile")["spec"];
        let pod = &spec["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
        assert_eq!(spec["strategy"]["rollingUpdate"]["maxSurge"], 1);
        assert!(container["command"].is_null(), "the image says what runs");
        let args = container["args"].as_array().expect("has arguments");
        let args = args.iter().map(|arg| arg.as_str().expect("is text").to_owned());
        Self {
            replicas: usize::try_from(number(&spec["replicas"])).expect("fits"),
            args: args.collect(),
            environment: environment(container, objects, secrets),
            startup: Probe::of(&container["startupProbe"], container),
            readiness: Probe::of(&container["readinessProbe"], container),
            pre_stop: seconds(&container["lifecycle"]["preStop"]["sleep"]["seconds"]),
            grace: seconds(&pod["terminationGracePeriodSeconds"]),
            min_ready: seconds(&spec["minReadySeconds"]),
        }
    }

    /// One of its variables, as a duration in whole seconds.
    pub(super) fn setting(&self, name: &str) -> Duration {
        let text = &self.environment[name];
        let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
        Duration::from_secs(number.unwrap_or_else(|| panic!("{name} is {text}")))
    }

    /// A pod that is ready. All replicas share one address here, so the ports are not the rendered ones.
    pub(super) async fn start(&self) -> Pod {
        let arguments: Vec<_> = self.args.iter().map(String::as_str).collect();
        let mut builder = Gateway::builder().args(&arguments).without("CAMPANILE_JWT_SECRET");
        for (name, value) in &self.environment {
            builder = builder.env(name, value);
        }
        let pod = Pod { gateway: builder.not_ready().start().await };
        for probe in [&self.startup, &self.readiness] {
            eventually("a new pod's probes succeed", 3 * PATIENCE, async || {
                pod.gateway.ops_get(&probe.path).await.status == 200
            })
            .await;
        }
        pod
    }

    /// Until a pod that is ready counts as available.
    pub(super) async fn becomes_available(&self) {
        sleep(self.min_ready).await;
    }

    /// What follows a deletion: `unlisted` runs halfway through the preStop sleep, as an endpoint is taken out of
    /// its Service meanwhile; then SIGTERM, and the rest of the grace period. How long it took to leave.
    pub(super) async fn stop(&self, pod: Pod, unlisted: impl Future<Output = ()>) -> Duration {
        let deleted = Instant::now();
        let at = |passed| tokio::time::Instant::from_std(deleted + passed);
        sleep_until(at(self.pre_stop / 2)).await;
        unlisted.await;
        sleep_until(at(self.pre_stop)).await;
        pod.gateway.term();
        let left = self.grace.saturating_sub(deleted.elapsed());
        let status = pod.gateway.wait_exit(left).await;
        assert!(status.success(), "{status}\n{}", pod.gateway.stderr_so_far());
        deleted.elapsed()
    }
}

impl Probe {
    fn of(probe: &Value, container: &Value) -> Self {
        let port = &probe["httpGet"]["port"];
        let ports = container["ports"].as_array().expect("has ports");
        assert!(ports.iter().any(|known| known["name"] == *port), "{port} in {ports:?}");
        assert_eq!(port, "ops", "probes are answered on the private port");
        Self {
            path: probe["httpGet"]["path"].as_str().expect("has a path").to_owned(),
            period: seconds(&probe["periodSeconds"]),
            failures: number(&probe["failureThreshold"]),
        }
    }
}

/// The variables of a container, with those from `ConfigMap`s and Secrets.
fn environment(
    container: &Value,
    objects: &[Value],
    secrets: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let name = source["configMapRef"]["name"].as_str().expect("is a ConfigMap");
        let data = object(objects, "ConfigMap", name)["data"].as_object().expect("has data");
        for (name, value) in data {
            environment.insert(name.clone(), value.as_str().expect("is text").to_owned());
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let reference = &variable["valueFrom"]["secretKeyRef"];
        assert_eq!(reference["name"], "campanile", "{variable}");
        let secret = secrets.iter().find(|(key, _)| reference["key"] == *key);
        let (_, value) = secret.unwrap_or_else(|| panic!("nobody made {reference}"));
        let name = variable["name"].as_str().expect("has a name");
        environment.insert(name.to_owned(), (*value).to_owned());
    }
    environment
}

fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter();
    found
        .find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("the chart makes no {kind} {name}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(number(value))
}
