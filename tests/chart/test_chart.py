"""The chart renders what it should and refuses what it should."""

import pathlib

import pytest
import yaml

from cluster import CHART, CI_VALUES, HELM, ROOT, Refused, one, run, template

REFUSED = yaml.safe_load((pathlib.Path(__file__).parent / "refused.yaml").read_text())


def test_helm_finds_nothing_to_complain_about():
    run(HELM, "lint", "--strict", str(CHART))


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda file: file.stem)
def test_helm_finds_nothing_to_complain_about_in(values):
    run(HELM, "lint", "--strict", str(CHART), "--values", str(values))


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda file: file.stem)
def test_every_file_of_values_renders(values):
    objects = template(values)
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects]
    assert len(set(names)) == len(names)
    one(objects, "PodDisruptionBudget")


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["why"])
def test_is_refused(case):
    with pytest.raises(Refused) as refused:
        template(case["values"])
    assert case["says"] in str(refused.value)


def test_what_the_tables_of_refusals_change_is_all_that_is_wrong():
    assert template({"drain": {"window": "2m"}, "terminationGracePeriodSeconds": 140})
    assert template({"capacity": {"connectionsPerPod": 100000}, "resources": {"limits": {"memory": "3253Mi"}}})
    assert template({"autoscaling": {"enabled": True}})
    assert template({"keda": {"enabled": True}})


def test_an_older_cluster_is_refused():
    with pytest.raises(Refused) as refused:
        template(version="1.29")
    assert "1.30" in str(refused.value)


def test_a_long_release_name_gives_names_that_kubernetes_takes():
    for item in template(CHART / "ci/everything-values.yaml", release="a" * 53):
        assert len(item["metadata"]["name"]) <= 63


def test_all_yaml_is_tidy():
    folders = ["helm/campanile/values.yaml", "helm/campanile/Chart.yaml", "helm/campanile/ci", "helm/campanile/files/alerts.yaml"]
    more = ["k8s", "tests/chart", ".github", "docker-compose.yml"]
    run("yamllint", "--strict", "--config-file", str(ROOT / "tests/chart/yamllint.yaml"), *[str(ROOT / path) for path in folders + more])
