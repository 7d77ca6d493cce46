"""Values, their schema, their table and the options of the gateway tell the same story."""

import json
import re
import shutil

import yaml

import documented
from cluster import CHART, CI_VALUES, HELM, NEWEST, ROOT, load, run, template

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Parts of Kubernetes' own objects, passed on as they are.
PASSED_ON = re.compile(
    r"(^|\.)(\w+Probe|\w*[cC]ontext|affinity|dnsConfig|valueFrom|config|strings|quantities|scaleUp|scaleDown|items)$"
)


def leaves(values, path=()):
    for key, value in values.items():
        yield ".".join((*path, key))
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


def test_the_table_of_values_is_up_to_date():
    assert documented.readme() == (CHART / "README.md").read_text(), "run `make manifests`"


def test_every_value_is_described():
    described = [path for path, _ in documented.described()]
    assert len(set(described)) == len(described)
    for path in leaves(VALUES):
        covered = any(path == known or path.startswith(known + ".") for known in described)
        group = any(known.startswith(path + ".") for known in described)
        assert covered or group, path


def test_schema_and_values_have_the_same_keys():
    def compare(schema, values, path):
        if "properties" in schema and path not in ("config", "autoscaling.behavior"):
            assert set(schema["properties"]) == set(values), path
            for key, inner in schema["properties"].items():
                if isinstance(values[key], dict):
                    compare(inner, values[key], f"{path}.{key}".lstrip("."))

    compare(SCHEMA, VALUES, "")


def test_the_schema_lets_no_unknown_key_through():
    def walk(part, path):
        if isinstance(part, dict):
            if part.get("type") == "object" and part.get("additionalProperties") is not False:
                assert PASSED_ON.search(path), path
            for key, inner in part.items():
                walk(inner, path if key in ("properties", "definitions", "additionalProperties") else f"{path}.{key}")
        elif isinstance(part, list):
            for inner in part:
                walk(inner, path)

    walk(SCHEMA, "")


def options():
    text = (ROOT / "docs/configuration.md").read_text()
    return set(re.findall(r"^\| `(CAMPANILE_\w+)` \|", text, re.M))


def test_every_variable_that_the_chart_sets_is_an_option_of_the_gateway():
    known = options()
    for file in CI_VALUES:
        for item in template(file):
            names = list(item.get("data", {})) if item["kind"] == "ConfigMap" else []
            if item["kind"] == "Deployment":
                for container in item["spec"]["template"]["spec"]["containers"]:
                    names += [variable["name"] for variable in container.get("env", [])]
            for name in names:
                assert not name.startswith("CAMPANILE_") or name in known, (file.name, name)


def test_every_option_can_be_set_in_the_chart_under_its_own_name():
    own = set(re.findall(r'"(\w+)" "[a-zA-Z.]+', (CHART / "templates/_checks.tpl").read_text().split("$homes := dict")[1].split("\n")[0]))
    config = {}
    for option in options():
        first, *rest = option.removeprefix("CAMPANILE_").lower().split("_")
        name = first + "".join(word.capitalize() for word in rest)
        if name not in own:
            config[name] = "1"
    made = next(item for item in template({"config": config}) if item["kind"] == "ConfigMap")["data"]
    homes = {"CAMPANILE_" + re.sub(r"([A-Z])", r"_\1", name).upper() for name in own}
    assert options() <= set(made) | homes


def test_the_notes_say_what_is_missing_and_warn(tmp_path):
    # `helm template` leaves notes out, so here they are an object.
    chart = tmp_path / "campanile"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates/NOTES.txt").read_text()
    (chart / "templates/_notes.tpl").write_text('{{- define "notes" -}}\n' + notes + "{{- end -}}")
    (chart / "templates/notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | quote }}')

    def said(*values):
        chosen = [part for file in values for part in ("--values", str(CHART / "ci" / file))]
        show = ["--show-only", "templates/notes.yaml", "--kube-version", NEWEST]
        return load(run(HELM, "template", "campanile", str(chart), *show, *chosen))[0]["text"]

    assert "--from-literal=redis-url=" in said() and "--from-literal=jwt-secret=" in said()
    assert "WARNING" not in said()
    assert "kind load docker-image campanile:" in said() and "image.registry" in said()
    assert "campanile token --user 42" in said() and "token=…" in said("sentinel-values.yaml")
    assert "registry" not in said("everything-values.yaml")
    trying = said("trying-values.yaml")
    assert "create secret" not in trying
    assert "one Redis without password" in trying and "WARNING: one replica" in trying
