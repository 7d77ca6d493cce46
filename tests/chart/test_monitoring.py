"""Alerts and dashboards speak of metrics that exist, and alerts of runbooks that exist."""

import json
import pathlib
import re

import yaml

from cluster import CHART, PROMTOOL, ROOT, one, run, template

RULES = CHART / "files/alerts.yaml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARDS = sorted((CHART / "files/dashboards").glob("*.json"))
# Names from the declaration of the metrics; a Rust test compares that with what /metrics says.
DECLARED = set(re.findall(r'= "(campanile_\w+)"', (ROOT / "src/telemetry/metrics.rs").read_text()))
PROCESS = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
}


def expressions():
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for file in DASHBOARDS:
        board = json.loads(file.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield panel["title"], target["expr"]
        for annotation in board["annotations"]["list"]:
            yield annotation["name"], annotation["expr"]


def families(expression):
    for name in re.findall(r"\b(?:campanile|process)_\w+", expression):
        yield name if name in DECLARED | PROCESS else re.sub(r"_(bucket|count|sum)$", "", name)


def test_every_metric_that_is_asked_for_exists():
    assert len(DECLARED) > 20
    for where, expression in expressions():
        assert set(families(expression)) <= DECLARED | PROCESS, where


def test_every_metric_is_shown_somewhere():
    shown = {name for _, expression in expressions() for name in families(expression)}
    assert DECLARED - shown == set()


def test_every_expression_of_the_dashboards_is_promql(tmp_path):
    rules = []
    for index, (where, expression) in enumerate(expressions()):
        for variable, value in (("$__rate_interval", "5m"), ("$namespace", ".*"), ("$job", ".*")):
            expression = expression.replace(variable, value)
        rules.append({"record": f"expression:{index}", "expr": expression, "labels": {"panel": where}})
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    run(PROMTOOL, "check", "rules", str(file))


def test_dashboards_place_their_panels_without_overlap():
    for file in DASHBOARDS:
        taken, ids = set(), []
        for panel in json.loads(file.read_text())["panels"]:
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
            taken |= cells
            ids.append(panel["id"])
        assert len(set(ids)) == len(ids)


def fitting(expression):
    """The units that what an expression counts can have."""
    names = " ".join(families(expression))
    if "cpu_seconds" in names:
        return {"short"}  # cores
    if "_seconds" in names and ("histogram_quantile" in expression or "_bucket" in expression):
        return {"s"}
    if re.search(r"process_open_fds.*/", expression):
        return {"percentunit"}
    if re.search(r"\brate\(", expression):
        return {"ops"}
    return {"bytes"} if "_bytes" in names else {"short"}


def test_every_series_of_the_dashboards_has_the_unit_of_what_it_counts():
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            field = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
            own = {rule["matcher"]["options"]: rule["properties"][0]["value"] for rule in field["overrides"]}
            default = field["defaults"].get("unit") or panel.get("options", {}).get("yAxis", {}).get("unit")
            legends = [target["legendFormat"] for target in panel.get("targets", [])]
            assert set(own) <= set(legends), panel["title"]
            for target in panel.get("targets", []):
                unit = own.get(target["legendFormat"], default)
                assert unit in fitting(target["expr"]), (panel["title"], target["legendFormat"], unit)


def test_promtool_accepts_the_rules():
    run(PROMTOOL, "check", "rules", "--lint=all", "--lint-fatal", str(RULES))


def test_the_alerts_fire_when_they_should():
    here = pathlib.Path(__file__).parent / "alerts.yaml"
    run(PROMTOOL, "test", "rules", str(here))
    tested = {test["name"].split()[0] for test in yaml.safe_load(here.read_text())["tests"]}
    assert tested == {rule["alert"] for rule in ALERTS}


def test_a_rule_that_is_wrong_fails_its_test(tmp_path):
    source = RULES.read_text()
    assert "> 50000" in source
    (tmp_path / "rules.yaml").write_text(source.replace("> 50000", "> 70000"))
    tests = (pathlib.Path(__file__).parent / "alerts.yaml").read_text()
    (tmp_path / "tests.yaml").write_text(re.sub(r"rule_files: .*", "rule_files: [rules.yaml]", tests))
    try:
        run(PROMTOOL, "test", "rules", str(tmp_path / "tests.yaml"))
    except Exception as failed:
        assert "CampanileWorkersBehind" in str(failed)
    else:
        raise AssertionError("nothing failed")


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    page = (ROOT / "docs/operations.md").read_text()
    headings = {title for title in re.findall(r"^### (Campanile\w+)$", page, re.M)}
    assert headings == {rule["alert"] for rule in ALERTS}
    for rule in ALERTS:
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_the_chart_ships_the_rules_and_the_dashboards_as_they_are():
    objects = template({"metrics": {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}})
    assert one(objects, "PrometheusRule")["spec"]["groups"] == GROUPS
    shipped = one(objects, "ConfigMap", "campanile-dashboards")["data"]
    assert {name: json.loads(text) for name, text in shipped.items()} == {
        file.name: json.loads(file.read_text()) for file in DASHBOARDS
    }
    some = template(CHART / "ci/everything-values.yaml")
    left = [rule["alert"] for group in one(some, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert len(left) == len(ALERTS) - 1 and "CampanileAlone" not in left
