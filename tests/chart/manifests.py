"""The generated part of `k8s/`: what the chart renders, without what only Helm needs.

`tests/chart/run --bless` writes the files; a test fails when they are not what the chart says.
"""

import yaml

from cluster import MANIFESTS, all_of, one, template

HEADER = "# Generated from the chart by `make manifests`.\n"
HELM_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")
RELEASE = "campanile"

# Component, values that bring its objects, and their kinds.
COMPONENTS = [
    ("redis-for-trying", {"redis": {"bundled": {"enabled": True}}}, None),
    ("network-policy", {"networkPolicy": {"enabled": True}}, ["NetworkPolicy"]),
    ("autoscaling", {"autoscaling": {"enabled": True}}, ["HorizontalPodAutoscaler"]),
    (
        "monitoring",
        {"metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}},
        ["ServiceMonitor", "PrometheusRule"],
    ),
    (
        "http-route",
        {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["live.example.com"]}},
        ["HTTPRoute"],
    ),
]


def bare(item):
    """An object of the chart without Helm's labels, hooks, checksums and namespace."""
    if "helm.sh/hook" in item["metadata"].get("annotations", {}):
        return None
    metas = [item["metadata"]]
    if item["kind"] == "Deployment":
        metas.append(item["spec"]["template"]["metadata"])
    for meta in metas:
        meta.pop("namespace", None)
        for label in HELM_LABELS:
            meta.get("labels", {}).pop(label, None)
        kept = {key: value for key, value in meta.pop("annotations", {}).items() if not key.startswith("checksum/")}
        if kept:
            meta["annotations"] = kept
    if item["kind"] == "ServiceMonitor":
        item["spec"].pop("namespaceSelector")
    return item


def rendered(values=None):
    """The objects of the chart as they stand in `k8s/`."""
    return [item for item in map(bare, template(values, release=RELEASE)) if item]


def text(items):
    """One file."""
    parts = [yaml.dump(item, Dumper=Indented, sort_keys=False, width=100) for item in items]
    return HEADER + "---\n".join(parts)


def files():
    """Path and content of every generated file."""
    objects = rendered()
    base = MANIFESTS / "base"
    yield base / "deployment.yaml", text(all_of(objects, "Deployment"))
    yield base / "services.yaml", text(all_of(objects, "Service"))
    yield base / "serviceaccount.yaml", text(all_of(objects, "ServiceAccount"))
    yield base / "poddisruptionbudget.yaml", text(all_of(objects, "PodDisruptionBudget"))
    data = one(objects, "ConfigMap")["data"]
    yield base / "campanile.env", HEADER + "".join(f"{name}={value}\n" for name, value in data.items())
    for component, values, kinds in COMPONENTS:
        if kinds is None:
            chosen = [item for item in rendered(values) if item["metadata"]["name"] == f"{RELEASE}-redis"]
        else:
            chosen = [item for kind in kinds for item in all_of(rendered(values), kind)]
        yield MANIFESTS / "components" / component / "objects.yaml", text(chosen)


def bless():
    """Writes the generated files."""
    for path, content in files():
        path.write_text(content)


class Indented(yaml.SafeDumper):
    """Sequences indented below their key, as in the rest of the repository."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def _multiline(dumper, value):
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Indented.add_representer(str, _multiline)
