"""What of `cargo deny check` needs no network: CI runs all of it, and this comes before."""

import json
import os
import re
import tomllib

import pytest

from cluster import ROOT, run

DENY = tomllib.loads((ROOT / "deny.toml").read_text())
PACKAGES = json.loads(run(os.environ.get("CARGO", "cargo"), "metadata", "--locked", "--format-version", "1"))["packages"]
FOREIGN = [package for package in PACKAGES if package["source"]]


def names(expression):
    """The licences of an SPDX expression, an exception with the one that it belongs to."""
    return re.findall(r"[\w.+-]+(?: WITH [\w.+-]+)?", re.sub(r"\b(AND|OR)\b|/", " ( ", expression))


def allows(expression, allowed):
    """Whether an SPDX expression can be met; `A/B` is how some still write `A OR B`."""
    text = re.sub(r"/", " OR ", expression)
    for name in sorted(set(names(expression)), key=len, reverse=True):
        text = re.sub(rf"(?<![\w.+-]){re.escape(name)}(?![\w.+-])", str(name in allowed), text)
    text = text.replace(" OR ", " or ").replace(" AND ", " and ")
    assert re.fullmatch(r"[()\s]*((True|False|and|or)[()\s]*)+", text), expression
    return eval(text)  # noqa: S307 -- of nothing but these words


@pytest.mark.parametrize(
    "expression, fits",
    [
        ("MIT", True),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0 OR MIT", True),
        ("GPL-3.0 AND MIT", False),
        ("(MIT OR GPL-3.0) AND ISC", False),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", False),
    ],
)
def test_expressions_are_read_as_they_are_meant(expression, fits):
    assert allows(expression, {"MIT", "Apache-2.0"}) is fits


def test_every_licence_is_allowed_and_every_one_that_is_allowed_occurs():
    allowed = set(DENY["licenses"]["allow"])
    for package in FOREIGN:
        assert package["license"] and allows(package["license"], allowed), (package["name"], package["license"])
    assert allowed <= {name for package in FOREIGN for name in names(package["license"])}


def test_everything_is_of_the_one_registry():
    assert {package["source"].split("+")[0] for package in FOREIGN} == {"registry"}
    assert len({package["source"] for package in FOREIGN}) == 1
