"""What no schema says about the objects of the chart."""

import base64
import re

import pytest

from cluster import CHART, CI_VALUES, all_of, containers, one, pods, template

EVERYTHING = CHART / "ci/everything-values.yaml"
SECRETS = re.compile(r"_(SECRET|URL|KEYS|KEY|PASSWORD)$")
RENDERED = {file.stem: template(file) for file in CI_VALUES}


@pytest.fixture(params=RENDERED, name="objects")
def _objects(request):
    return RENDERED[request.param]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi|)", str(quantity)).groups()
    return int(number) * {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]


def selects(selector, labels):
    return selector.items() <= labels.items()


def settings(objects):
    """The gateway's variables that stand in the ConfigMap."""
    name = next(containers(objects))[1]["envFrom"][0]["configMapRef"]["name"]
    return one(objects, "ConfigMap", name)["data"]


def test_selectors_select_the_pods_they_are_for_and_no_others(objects):
    made = {name: meta["labels"] for name, meta, _ in pods(objects)}
    for deployment in all_of(objects, "Deployment"):
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert [name for name, labels in made.items() if selects(selector, labels)] == [deployment["metadata"]["name"]]
    gateway = next(containers(objects))[0]
    for service in all_of(objects, "Service"):
        name = service["metadata"]["name"]
        chosen = {pod for pod, labels in made.items() if selects(service["spec"]["selector"], labels)}
        wanted = {name} if name == gateway or name.endswith("-redis") else {gateway, gateway + "-worker"} & set(made)
        assert chosen == wanted, name
    budget = one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    assert [name for name, labels in made.items() if selects(budget, labels)] == [gateway]
    for monitor in all_of(objects, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        services = [item["metadata"] for item in all_of(objects, "Service") if selects(wanted, item["metadata"]["labels"])]
        assert [service["name"] for service in services] == [gateway + "-ops"]


def test_spread_constraints_select_their_own_pods(objects):
    for name, meta, spec in pods(objects):
        for constraint in spec.get("topologySpreadConstraints", []):
            assert selects(constraint["labelSelector"]["matchLabels"], meta["labels"]), name


def test_services_and_probes_name_ports_that_the_containers_have(objects):
    for name, _, spec in pods(objects):
        for container in spec["containers"]:
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe in container:
                    asked = container[probe].get("httpGet") or container[probe]["tcpSocket"]
                    assert asked["port"] in ports, (name, probe)
    for service in all_of(objects, "Service"):
        wanted = {port["targetPort"] for port in service["spec"]["ports"]}
        for _, meta, spec in pods(objects):
            if selects(service["spec"]["selector"], meta["labels"]):
                assert wanted <= {port["name"] for port in spec["containers"][0]["ports"]}


def test_a_pod_has_the_time_to_leave(objects):
    data = settings(objects)
    deployment = next(item for item in all_of(objects, "Deployment") if "lifecycle" in item["spec"]["template"]["spec"]["containers"][0])
    spec = deployment["spec"]["template"]["spec"]
    before = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    leaving = before + seconds(data["CAMPANILE_DRAIN_DELAY"]) + seconds(data["CAMPANILE_DRAIN_WINDOW"])
    assert spec["terminationGracePeriodSeconds"] >= leaving + 10
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_memory_is_enough_for_the_sockets_that_a_pod_accepts(objects):
    sockets = int(settings(objects)["CAMPANILE_MAX_CONNECTIONS"])
    gateway = next(container for _, container in containers(objects) if container["args"] == ["serve"])
    resources = gateway["resources"]
    assert bytes_of(resources["limits"]["memory"]) >= 128 * 2**20 + sockets * 32 * 2**10
    assert bytes_of(resources["requests"]["memory"]) <= bytes_of(resources["limits"]["memory"])
    assert "cpu" not in resources["limits"]


def test_pods_may_do_nothing_that_they_need_not(objects):
    for name, _, spec in pods(objects):
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            if container["name"] == "sidecar":
                continue
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
    for account in all_of(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_no_secret_stands_outside_a_secret(objects):
    for item in all_of(objects, "ConfigMap"):
        for name, value in item["data"].items():
            allowed = name in ("CAMPANILE_JWKS_URL",)
            assert allowed or not SECRETS.search(name), name
            assert "secret@" not in value and "PRIVATE KEY" not in value, name
    for _, container in containers(objects):
        for variable in container["env"]:
            if SECRETS.search(variable["name"]):
                plain = variable.get("value")
                assert plain is None or "$(REDIS_PASSWORD)" in plain or re.fullmatch(r"redis://[a-z-]+:6379", plain), variable


def test_secrets_from_values_are_found_under_their_keys(objects):
    made = {item["metadata"]["name"]: item["data"] for item in all_of(objects, "Secret")}
    for _, container in containers(objects):
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and reference["name"] in made:
                assert base64.b64decode(made[reference["name"]][reference["key"]])


def test_what_goes_into_variables_and_labels_is_text(objects):
    for item in all_of(objects, "ConfigMap"):
        assert all(isinstance(value, str) for value in item["data"].values())
        assert not any(re.fullmatch(r"[0-9.]+e[+-]?[0-9]+", value) for value in item["data"].values())
    for item in objects:
        for group in ("labels", "annotations"):
            assert all(isinstance(value, str) for value in item["metadata"].get(group, {}).values())
    for _, container in containers(objects):
        names = [variable["name"] for variable in container["env"]]
        assert len(set(names)) == len(names)


def test_numbers_lists_and_switches_become_what_the_gateway_reads():
    config = {"sendQueueBytes": 10000000, "queryToken": False, "allowedOrigins": ["https://a", "https://b"], "inboxSize": 0}
    data = settings(template({"config": config | {"connectionsPerIpPerSecond": 5, "log" + "Unknown": "0x10"}}))
    assert data["CAMPANILE_SEND_QUEUE_BYTES"] == "10000000"
    assert data["CAMPANILE_QUERY_TOKEN"] == "false"
    assert data["CAMPANILE_ALLOWED_ORIGINS"] == "https://a,https://b"
    assert data["CAMPANILE_INBOX_SIZE"] == "0"
    assert data["CAMPANILE_CONNECTIONS_PER_IP_PER_SECOND"] == "5"
    assert data["CAMPANILE_LOG_UNKNOWN"] == "0x10"


def test_a_change_of_the_configuration_makes_pods_new_and_nothing_else_does():
    def annotations(values):
        return one(template(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]

    plain = annotations({"config": {"pingInterval": "54s"}})
    assert plain != annotations({"config": {"pingInterval": "50s"}})
    assert plain == annotations({"config": {"pingInterval": "54s"}, "replicaCount": 5, "service": {"port": 81}})
    assert annotations({"auth": {"jwtSecret": "a"}}) != annotations({"auth": {"jwtSecret": "b"}})


def test_what_scales_owns_the_number_of_replicas():
    assert one(template(), "Deployment")["spec"]["replicas"] == 2
    for part, kind in (("autoscaling", "HorizontalPodAutoscaler"), ("keda", "ScaledObject")):
        objects = template({part: {"enabled": True}})
        assert "replicas" not in one(objects, "Deployment")["spec"]
        one(objects, kind)
    metric = one(template({"autoscaling": {"enabled": True}}), "HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]
    assert metric == {"metric": {"name": "campanile_connections"}, "target": {"type": "AverageValue", "averageValue": "7000"}}


def test_the_worker_is_configured_as_the_gateway_is():
    by_args = {container["args"][0]: container for _, container in containers(RENDERED["rabbitmq-mail-values"])}
    assert by_args["worker"]["env"] == by_args["serve"]["env"] == by_args["check"]["env"]
    names = {variable["name"] for variable in by_args["worker"]["env"]}
    assert {"CAMPANILE_AMQP_URL", "CAMPANILE_SMTP_URL"} <= names


def test_balancers_wait_longer_than_the_time_between_pings():
    waits = {
        "haproxy": r"haproxy.org/timeout-tunnel: (\w+)",
        "nginx": r"nginx.org/proxy-read-timeout: (\w+)",
        "alb": r"idle_timeout.timeout_seconds=(\d+)",
    }
    for name, pattern in waits.items():
        text = (CHART / f"ci/ingress-{name}-values.yaml").read_text()
        found = re.search(pattern, text).group(1)
        assert seconds(found if found[-1].isalpha() else found + "s") > 54 + 10, name
    assert one(RENDERED["everything-values"], "HTTPRoute")["spec"]["rules"][0]["timeouts"] == {"request": "0s"}


def test_the_network_policy_lets_out_what_is_configured_and_nothing_else():
    def ports(values):
        policy = one(template({"networkPolicy": {"enabled": True}} | values), "NetworkPolicy", "campanile")
        return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}

    assert ports({}) == {53, 6379}
    assert ports({"auth": {"jwksUrl": "https://login.example.com/keys"}}) == {53, 6379, 443}
    assert ports({"amqp": {"existingSecret": "rabbitmq"}}) == {53, 6379, 5671, 5672}
    assert ports({"mail": {"existingSecret": "mail", "from": "a@example.com"}}) == {53, 6379, 25, 465, 587}
    sentinels = {"networkPolicy": {"enabled": True, "redisPorts": [6379, 26379], "extraEgress": [{"ports": [{"port": 5673}]}]}}
    assert ports(sentinels) == {53, 6379, 26379, 5673}


def test_probes_ask_for_different_things_and_only_readiness_is_impatient(objects):
    for name, container in containers(objects):
        if container["args"] == ["check"]:
            continue
        startup, readiness, liveness = (container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness"))
        assert startup["httpGet"]["path"] == liveness["httpGet"]["path"] == "/livez", name
        assert readiness["httpGet"]["path"] == "/readyz", name
        assert readiness["periodSeconds"] * readiness["failureThreshold"] <= 5, name
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60, name


def test_certificates_are_mounted_where_the_gateway_looks_for_them():
    objects = template({"amqp": {"url": "amqps://rabbitmq", "tls": {"existingSecret": "rabbitmq-ca", "caKey": "authority.pem"}}})
    assert settings(objects)["CAMPANILE_AMQP_CA_FILE"] == "/etc/campanile/amqp-tls/authority.pem"
    spec = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert {"name": "amqp-tls", "mountPath": "/etc/campanile/amqp-tls", "readOnly": True} in spec["containers"][0]["volumeMounts"]
    assert spec["volumes"] == [{"name": "amqp-tls", "secret": {"secretName": "rabbitmq-ca", "defaultMode": 0o440}}]


def test_everything_means_every_template():
    kinds = {item["kind"] for name in RENDERED for item in RENDERED[name]}
    text = "".join(file.read_text() for file in (CHART / "templates").rglob("*.yaml"))
    assert kinds == set(re.findall(r"^kind: (\w+)$", text, re.M))
