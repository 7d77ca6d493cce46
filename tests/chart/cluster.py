"""What the tests ask of Helm and kustomize: objects, as a cluster would get them."""

import functools
import os
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/campanile"
MANIFESTS = ROOT / "k8s"
CI_VALUES = sorted(CHART.glob("ci/*-values.yaml"))
HELM = os.environ["HELM"]
PROMTOOL = os.environ["PROMTOOL"]
NEWEST = "1.37"


class Refused(Exception):
    """Helm or kustomize said no; the text is what it said."""


def run(*command, stdin=None):
    """Standard output of a command, or `Refused` with what it wrote to standard error."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def load(text):
    """All objects of a YAML text."""
    return [item for item in yaml.safe_load_all(text) if item]


def template(values=None, *arguments, version=NEWEST, release="campanile"):
    """The objects that the chart makes of a file of values, or of a dictionary."""
    stdin = yaml.safe_dump(values) if isinstance(values, dict) else None
    chosen = ("--values", "-" if stdin else str(values)) if values else ()
    return load(_rendered(release, version, chosen + arguments, stdin))


@functools.cache
def _rendered(release, version, arguments, stdin):
    fixed = (HELM, "template", release, str(CHART), "--namespace", "live", "--kube-version", version)
    return run(*fixed, *arguments, stdin=stdin)


def kustomize(folder):
    """The objects of a kustomization."""
    return load(run("kubectl", "kustomize", str(folder)))


def one(objects, kind, name=None):
    """The only object of this kind, or of this kind and name."""
    found = [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name or ''}"
    return found[0]


def all_of(objects, kind):
    """All objects of this kind."""
    return [item for item in objects if item["kind"] == kind]


def pods(objects):
    """Metadata and spec of every pod, with the name of what makes it."""
    for item in objects:
        if item["kind"] == "Deployment":
            inner = item["spec"]["template"]
            yield item["metadata"]["name"], inner["metadata"], inner["spec"]
        elif item["kind"] == "Pod":
            yield item["metadata"]["name"], item["metadata"], item["spec"]


def containers(objects):
    """Every container that runs the gateway's image."""
    for name, _, spec in pods(objects):
        for container in spec["containers"]:
            if container["name"] in ("campanile", "check"):
                yield name, container
