"""The example of docker compose: what compose takes, and nothing that contradicts the gateway's defaults."""

import os
import re

import pytest
import yaml

from cluster import ROOT, Refused, run
from test_documents import options

FILE = ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text())
GATEWAY = COMPOSE["services"]["campanile"]
PROXY = (ROOT / "image/haproxy.cfg").read_text()


def default(option):
    page = (ROOT / "docs/configuration.md").read_text()
    return re.search(rf"^\| `{option}` \| `[^`]*` \| `([^`]*)` \|", page, re.M).group(1)


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def test_compose_takes_it(tmp_path):
    if not os.environ["COMPOSE"]:
        pytest.skip("there is neither compose-go nor Go")
    assert "stop_grace_period: 40s" in run(os.environ["COMPOSE"], str(FILE))
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text().replace("stop_grace_period", "stop_grace"))
    with pytest.raises(Refused):
        run(os.environ["COMPOSE"], str(wrong))


def test_what_the_file_names_is_there():
    for name, service in COMPOSE["services"].items():
        for needed in service.get("depends_on", []):
            assert needed in COMPOSE["services"], (name, needed)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_file(), (name, volume)


def test_two_replicas_run_as_they_would_in_a_cluster():
    assert GATEWAY["deploy"]["replicas"] == 2
    assert GATEWAY["read_only"] is True and GATEWAY["cap_drop"] == ["ALL"]
    assert GATEWAY["security_opt"] == ["no-new-privileges:true"]
    assert set(GATEWAY["environment"]) <= options()
    leaving = seconds(default("CAMPANILE_DRAIN_DELAY")) + seconds(default("CAMPANILE_DRAIN_WINDOW"))
    assert seconds(GATEWAY["stop_grace_period"]) > leaving


def test_the_proxy_looks_for_replicas_where_they_listen():
    public = default("CAMPANILE_LISTEN").rsplit(":", 1)[1]
    private = default("CAMPANILE_OPS_LISTEN").rsplit(":", 1)[1]
    assert re.search(rf"^  server-template replica 1-\d+ campanile:{public}$", PROXY, re.M)
    assert f"check port {private} " in PROXY
    exposed = re.search(r"^EXPOSE (.*)$", (ROOT / "Dockerfile").read_text(), re.M).group(1)
    assert exposed.split() == [public, private]
    idle = re.search(r"timeout tunnel (\w+)", PROXY).group(1)
    assert seconds(idle) > seconds(default("CAMPANILE_PING_INTERVAL"))
    inside, outside = COMPOSE["services"]["haproxy"]["ports"][0].split(":")
    assert inside == outside and f"bind :{inside}\n" in PROXY


def test_the_image_is_what_the_chart_runs():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 65532:65532$", dockerfile, re.M)
    assert re.search(r'^HEALTHCHECK .*CMD \["/usr/bin/campanile", "healthcheck"\]$', dockerfile, re.M)
    assert dockerfile.index("stages dependencies") < dockerfile.index("COPY src src") < dockerfile.index("stages binary")
    for label in ("title", "description", "licenses", "version", "revision", "source"):
        assert f"org.opencontainers.image.{label}=" in dockerfile, label
    # Where nothing was copied, no shell is: all of what runs in the last stage is in form of a list.
    last = dockerfile.split("FROM scratch")[1]
    assert not re.search(r"^RUN", last, re.M) and re.search(r'^ENTRYPOINT \["/usr/bin/campanile"\]$', last, re.M)
