"""The check of boards against Grafana's types, as far as it goes without Node.

Whether TypeScript finds each planted fault is part of the check itself, `make check-grafana`.
"""

from __future__ import annotations

import copy
import importlib.metadata
import json
import os
from importlib.resources import files
from typing import Any

import pytest

from dashboards.deliver import rule_group
from infra.grafana_check import GrafanaCheckError, check, published_boards
from infra.grafana_check.faults import FAULTS, RULE_FAULTS, Fault, plant
from infra.grafana_check.toolchain import program

FOLDER = files("infra.grafana_check")


def package(name: str) -> Any:
    return json.loads(FOLDER.joinpath(name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_a_place_in_a_published_board(fault: Fault) -> None:
    boards = list(published_boards().values())
    before = copy.deepcopy(boards)
    planted = plant(fault, boards)
    assert planted not in boards
    assert boards == before


@pytest.mark.parametrize("fault", RULE_FAULTS, ids=lambda fault: fault.name)
def test_every_fault_of_rules_has_a_place(fault: Fault) -> None:
    assert plant(fault, [rule_group()]) != rule_group()


def test_a_fault_without_a_place_stops_the_check() -> None:
    with pytest.raises(GrafanaCheckError, match="has a place for the fault"):
        check({"empty.json": {"schemaVersion": 41}}, rule_group(), os.environ)


def test_no_boards_are_not_taken_for_sound_ones() -> None:
    with pytest.raises(GrafanaCheckError, match="no board in dashboards/published"):
        check({}, rule_group(), os.environ)


@pytest.mark.parametrize("name", ["node", "npm"])
def test_a_machine_without_node_is_told_what_to_install(name: str) -> None:
    with pytest.raises(GrafanaCheckError, match=f"{name} is not on the path; install Node 20"):
        program(name, {"PATH": ""})


def test_the_lock_file_names_hashes_and_no_addresses() -> None:
    packages = package("package-lock.json")["packages"]
    locked = {name: entry for name, entry in packages.items() if name}
    assert locked
    assert all(entry["integrity"].startswith("sha512-") for entry in locked.values())
    assert not [name for name, entry in locked.items() if "resolved" in entry]


def test_packages_are_pinned_to_the_grafana_that_our_builder_is_made_for() -> None:
    pinned = package("package.json")["devDependencies"]
    locked = package("package-lock.json")["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in pinned} == pinned
    epoch, _, builder = importlib.metadata.version("grafana-foundation-sdk").partition("!")
    assert pinned["@grafana/grafana-foundation-sdk"] == f"{builder}-cogv0.0.x.{epoch}"
    assert pinned["@grafana/schema"].rpartition(".")[0] == builder.rpartition(".")[0]
