"""Every object is one that Kubernetes knows, with no field that it does not."""

import functools

import kubernetes_validate
import pytest

from cluster import CHART, CI_VALUES, MANIFESTS, NEWEST, all_of, kustomize, template

# It reads its megabytes of definitions anew for every object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)

# Kinds of operators and of the Gateway API, which the validator has no schema for.
FOREIGN = {
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
}
VERSIONS = ["1.30", "1.32", NEWEST]
OVERLAYS = sorted(file.parent for file in MANIFESTS.rglob("kustomization.yaml") if "components" not in file.parts)


def check(objects, version):
    for item in objects:
        if (item["apiVersion"], item["kind"]) in FOREIGN:
            continue
        # An unknown kind raises too.
        kubernetes_validate.validate(item, version, strict=True)


def test_the_newest_version_is_the_newest():
    assert kubernetes_validate.latest_version().startswith(NEWEST)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", CI_VALUES, ids=lambda file: file.stem)
def test_the_chart(values, version):
    check(template(values, version=version), version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: str(folder.relative_to(MANIFESTS)))
def test_the_manifests(folder, version):
    check(kustomize(folder), version)


def test_the_validator_can_say_no():
    wrong = template(CHART / "ci/default-values.yaml")
    all_of(wrong, "Deployment")[0]["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        check(wrong, NEWEST)
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        check([{"apiVersion": "apps/v1", "kind": "Deployments", "metadata": {"name": "x"}}], NEWEST)
