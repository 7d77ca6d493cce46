"""The project's workflows run nothing that could change under them, and what people run."""

import re

import yaml

from cluster import ROOT

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
