from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from infra.cli.look_doctor import print_findings
from infra.doctor.finding import PARTS, Finding, Findings, in_order

STATES = ("problem", "warning", "unknown", "ok")
findings = st.lists(
    st.builds(
        Finding,
        part=st.sampled_from(PARTS),
        check=st.sampled_from(["answers", "version", "queue limit"]),
        state=st.sampled_from(STATES),
        what=st.just("it is so"),
        mend=st.just("do this"),
    )
)


@given(findings)
def test_findings_are_ordered_by_part_and_then_by_gravity(made):
    placed = [(PARTS.index(f.part), STATES.index(f.state)) for f in in_order(made)]
    assert placed == sorted(placed)
    assert sorted(map(repr, in_order(made))) == sorted(map(repr, made))


def printed(made: list[Finding], width: int = 60) -> str:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    print_findings(in_order(made), out)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_a_mend_stands_on_a_line_of_its_own_under_what_is_wrong():
    found = Findings("mqtt")
    found.ok("version", "mosquitto version 2.0.18")
    found.problem("queue limit", "kept 1 000 of 1 100", "set max_queued_messages")
    lines = [line.rstrip() for line in printed(found.made).splitlines()]
    assert lines == [
        "MQTT broker",
        "  ✖  queue limit  kept 1 000 of 1 100",
        "                  → set max_queued_messages",
        "  ●  version      mosquitto version 2.0.18",
        "",
        "✖ 1 problem   ● 1 in order",
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    found = Findings("kafka")
    found.problem("group qala-sink-influx", "a word " * 40, "another " * 40)
    assert max(map(len, printed(found.made, width).splitlines())) <= width


def test_markup_in_what_servers_say_is_shown_as_it_is():
    found = Findings("influxdb")
    found.problem("rights", "[bold]no[/bold]", "[red]do[/red]")
    assert "[bold]no[/bold]" in printed(found.made)
    assert "[red]do[/red]" in printed(found.made)
