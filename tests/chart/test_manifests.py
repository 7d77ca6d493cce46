"""`k8s/` is what the chart renders, and everything in it builds."""

import os
import re

import pytest

import manifests
from cluster import MANIFESTS, ROOT, all_of, kustomize, one, pods

BLESS = "run `make manifests`"


@pytest.mark.parametrize("path, content", list(manifests.files()), ids=lambda part: getattr(part, "name", ""))
def test_the_generated_files_are_what_the_chart_renders(path, content):
    assert path.exists() and path.read_text() == content, BLESS


def without_hash(objects):
    """The same with the names that generators hash as they were before."""
    names = {item["metadata"]["name"] for item in all_of(objects, "ConfigMap") + all_of(objects, "Secret")}

    def walk(part):
        if isinstance(part, dict):
            return {key: walk(value) for key, value in part.items()}
        if isinstance(part, list):
            return [walk(value) for value in part]
        return re.sub(r"-[a-z0-9]{10}$", "", part) if part in names else part

    return walk(objects)


def by_name(objects):
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def test_the_base_does_not_drift_from_the_charts_default_rendering():
    assert by_name(without_hash(kustomize(MANIFESTS / "base"))) == by_name(manifests.rendered())


def test_the_overlays_say_what_they_promise():
    dev = without_hash(kustomize(MANIFESTS / "overlays/dev"))
    assert one(dev, "Deployment", "campanile")["spec"]["replicas"] == 1
    env = one(dev, "Deployment", "campanile")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "CAMPANILE_REDIS_URL", "value": "redis://campanile-redis:6379"} in env
    assert one(dev, "ConfigMap")["data"]["CAMPANILE_DRAIN_WINDOW"] == "20s"
    assert one(dev, "ConfigMap")["data"]["CAMPANILE_LOG_FORMAT"] == "text"
    assert one(dev, "Secret", "campanile")
    prod = kustomize(MANIFESTS / "overlays/prod")
    assert "replicas" not in one(prod, "Deployment")["spec"]
    images = [spec["containers"][0]["image"] for _, _, spec in pods(prod)]
    assert images and all(image.startswith("registry.example.com/campanile:") for image in images)
    assert one(prod, "HorizontalPodAutoscaler") and one(prod, "NetworkPolicy")
    for objects, namespace in ((dev, "campanile-dev"), (prod, "campanile")):
        assert {item["metadata"].get("namespace", namespace) for item in objects} == {namespace}


def test_all_components_go_together(tmp_path):
    components = sorted(file.parent for file in MANIFESTS.glob("components/*/kustomization.yaml"))
    assert len(components) == len(manifests.COMPONENTS)
    relative = [os.path.relpath(folder, tmp_path.resolve()) for folder in components]
    lines = ["resources:", f"- {os.path.relpath(MANIFESTS / 'base', tmp_path.resolve())}", "components:"]
    (tmp_path / "kustomization.yaml").write_text("\n".join(lines + [f"- {path}" for path in relative]))
    kinds = {item["kind"] for item in kustomize(tmp_path)}
    assert {"HTTPRoute", "HorizontalPodAutoscaler", "NetworkPolicy", "PrometheusRule", "ServiceMonitor"} <= kinds


def test_the_chart_and_the_binary_have_one_version():
    cargo = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    chart = (ROOT / "helm/campanile/Chart.yaml").read_text()
    assert f"\nappVersion: {cargo}\n" in chart
    assert f"newTag: {cargo}\n" in (MANIFESTS / "overlays/prod/kustomization.yaml").read_text()
    assert f" campanile:{cargo} " in (MANIFESTS / "overlays/dev/kustomization.yaml").read_text()
    assert f"version: {cargo}\n" in (MANIFESTS / "base/kustomization.yaml").read_text()
