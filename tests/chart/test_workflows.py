"""The project's workflows run nothing that could change under them, and what people run."""

import os
import re

import pytest
import yaml

from cluster import CHART, ROOT, one, run, template

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps():
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            for step in job["steps"]:
                yield f"{file.name}: {name}", step


def test_every_action_is_pinned_by_its_commit_and_says_its_version():
    for file in WORKFLOWS:
        lines = [line for line in file.read_text().splitlines() if "uses:" in line]
        assert lines
        for line in lines:
            assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_every_tool_is_installed_at_a_version():
    for where, step in steps():
        for tool in re.findall(r"cargo install .*", step.get("run", "")):
            words = [word for word in tool.split()[2:] if not word.startswith("-")]
            assert all(re.search(r"@\d+\.\d+\.\d+$", word) for word in words), where


# What a job may write; all others only read the sources.
RIGHTS = {
    "release.yml: image": {"packages"},
    "release.yml: image-of-both": {"packages", "id-token", "attestations"},
    "release.yml: release": {"contents", "id-token", "attestations"},
}


def test_actionlint_finds_nothing_to_complain_about():
    if not os.environ["ACTIONLINT"]:
        pytest.skip("there is neither actionlint nor Go")
    run(os.environ["ACTIONLINT"], "-no-color", *map(str, WORKFLOWS))


def test_only_what_publishes_may_write():
    writing = {}
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            writes = {scope for scope, right in job.get("permissions", {}).items() if right == "write"}
            if writes:
                writing[f"{file.name}: {name}"] = writes
    assert writing == RIGHTS


def test_a_release_has_checksums_a_statement_of_its_origin_and_a_list_of_its_contents():
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    last = release["release"]["steps"]
    order = [step.get("uses", step.get("run", "")) for step in last]

    def place(text):
        found = [index for index, step in enumerate(order) if text in step]
        assert len(found) == 1, (text, order)
        return found[0]

    made = place("sha256sum -- *")
    assert "helm package" in order[made] and "cargo cyclonedx" in order[made]
    assert made < place("attest-build-provenance@") < place("gh release create")
    assert made < place("attest-sbom@") < place("gh release create")
    image = next(step["with"] for step in release["image"]["steps"] if "build-push-action@" in step.get("uses", ""))
    assert image["provenance"] == "mode=max" and image["sbom"] is True
    assert any("attest-build-provenance@" in step.get("uses", "") for step in release["image-of-both"]["steps"])
    assert release["image"]["needs"] == release["files"]["needs"] == "check"


def test_the_chart_of_a_release_is_told_where_its_image_is(tmp_path):
    release = (ROOT / ".github/workflows/release.yml").read_text()
    changes = re.search(r'sed -i "([^|]*\|.*)" helm/campanile/values.yaml', release).group(1).replace('\\"', '"')
    changes = changes.replace("$REGISTRY", "registry.example.com").replace("$name", "owner/bell")
    (tmp_path / "values.yaml").write_text(run("sed", changes, str(CHART / "values.yaml")))
    image = one(template(tmp_path / "values.yaml"), "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert re.fullmatch(r"registry\.example\.com/owner/bell:[\d.]+", image)


def test_no_workflow_names_a_registry():
    for file in WORKFLOWS:
        for line in file.read_text().splitlines():
            assert not re.search(r"\b(ghcr|quay|docker)\.io\b", line), line
    for where, step in steps():
        if "login-action@" in step.get("uses", ""):
            assert step["with"]["registry"] == "${{ vars.IMAGE_REGISTRY }}", where


def test_workflows_have_no_more_rights_than_they_say():
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text())
        assert workflow["permissions"] == {"contents": "read"}, file.name
        for name, job in workflow["jobs"].items():
            assert job["timeout-minutes"], name
    for where, step in steps():
        # What a branch or tag is called must not become part of a script.
        assert "${{ github.ref" not in step.get("run", ""), where
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, where


def test_every_target_of_make_that_is_called_exists():
    makefile = (ROOT / "Makefile").read_text()
    for where, step in steps():
        for line in re.findall(r"^make (.*)", step.get("run", ""), re.M):
            for target in line.split():
                assert re.search(rf"^{target}:", makefile, re.M), (where, target)
