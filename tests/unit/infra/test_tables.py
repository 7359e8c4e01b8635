"""The house's table in terminals of any width: what is shown is whole."""

from __future__ import annotations

from io import StringIO
from types import ModuleType
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from infra.cli import look_alerts, look_devices, look_letters
from infra.cli.look_processes import Shown, _show
from infra.dlq.filters import Filter
from infra.dlq.letters import Letter, Ref, letter_of
from infra.tables import HouseTable
from infra.worker_clocks import NO_CLOCKS, SimulatedClock, WorkerClocks
from ingest.persons import PersonKey
from schemas.deadletters import HEADER_SEALED
from schemas.records import Alert, DeviceRecord, encode

WIDTHS = (80, 100, 120, 160)


def drawn(table: HouseTable, width: int) -> list[str]:
    out = StringIO()
    Console(file=out, width=width).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> StringIO:
    """What commands print on a terminal of ``width`` columns."""
    out = StringIO()
    made = Console(file=out, width=width, force_terminal=True, color_system=None, highlight=False)
    for module in ("output", "look_alerts", "look_devices", "look_letters", "look_processes"):
        monkeypatch.setattr(f"infra.cli.{module}.console", lambda: made)
    return out


def table() -> HouseTable:
    made = HouseTable(
        ("name", "pid", "lag", "address", "note"),
        right=("pid", "lag"),
        cut=("address",),
        drop=("address", "lag"),
        wraps="note",
    )
    made.add_row("bridge", "16179", "1 234 567", "http://127.0.0.1:48000/metrics", "")
    made.add_row("streams", "16180", "0", "", "it waits for Kafka to answer, then goes on")
    return made


def test_a_wide_table_has_every_column_and_no_remark() -> None:
    lines = drawn(table(), 120)
    assert lines[0].split() == ["name", "pid", "lag", "address", "note"]
    assert len(lines) == 3


def test_text_is_cut_with_an_ellipsis_before_a_column_goes() -> None:
    lines = drawn(table(), 62)
    assert lines[0].split() == ["name", "pid", "lag", "address", "note"]
    assert "…" in lines[1]
    assert "1 234 567" in lines[1]


def test_the_least_important_column_goes_whole_and_is_named() -> None:
    lines = drawn(table(), 48)
    assert lines[0].split() == ["name", "pid", "lag", "note"]
    assert "1 234 567" in lines[1]
    told = " ".join(lines[-2:])
    assert told == "not shown for want of width: address; a wider terminal or --json shows them"


def test_a_column_that_is_empty_is_not_missed() -> None:
    made = HouseTable(("name", "note"), drop=("note",))
    made.add_row("x" * 30, "")
    assert drawn(made, 32) == ["name", "x" * 30]
    # nor shown where there is room
    assert drawn(made, 120) == ["name", "x" * 30]


@given(
    cells=st.lists(st.tuples(*[st.integers(0, 10**12)] * 4), min_size=1, max_size=5),
    width=st.integers(20, 120),
)
def test_a_number_that_is_shown_has_all_its_digits(
    cells: list[tuple[int, int, int, int]], width: int
) -> None:
    made = HouseTable(("a", "b", "c", "d"), right="abcd", drop=("d", "b", "a"))
    for row in cells:
        made.add_row(*map(str, row))
    head, *lines = drawn(made, width)
    shown = ["abcd".index(name) for name in head.split()]
    for row, line in zip(cells, lines, strict=False):
        assert line.split() == [str(row[place]) for place in shown]


@pytest.mark.parametrize("width", WIDTHS)
def test_ps_keeps_pids_and_lags_at_every_width(
    width: int, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    out = terminal(monkeypatch, width)
    figures: dict[str, float | str] = {
        "qala_sink_influx_received_total": 12_345_678.0, "qala_sink_influx_lag_records": 98_765.0,
        "qala_sink_influx_rejected_total": 43.0, "process_cpu_seconds_total": 5000.0,
        "process_resident_memory_bytes": 7.1e7, "probe": 45_678,
    }  # fmt: skip
    process = Shown(
        name="sink-influx", pid=16_179, state="ready", restarts=3, since=0.0, metrics=figures
    )
    _show([process], tmp_path)  # type: ignore[arg-type] - only printed
    text = out.getvalue()
    row = next(line for line in text.splitlines() if line.startswith("sink-influx"))
    for whole in ("16179", "98 765", "43"):
        assert whole in row
    assert ("12 345 678 rows" in row) == ("taken in" in text.splitlines()[0])
    assert "rejected: input that became dead letters" in " ".join(text.split())
    assert ("failures: " in " ".join(text.split())) == ("failures" in text.splitlines()[0])
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_devices_keep_their_note_at_every_width(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = DeviceRecord(
        site="stop-04-north", kind="ionizer", device="ionizer-04-2", state="online", since=0,
        at=0, heard=1000, interval_ms=5000, readings=1_234_567, missing=12, wrong_clock=True,
        generation=2,
    )  # fmt: skip

    async def stored(*_: object) -> dict[bytes, bytes]:
        return {b"1": encode(device)}

    async def said(*_: object) -> WorkerClocks:
        return WorkerClocks(1, {0: 261_000})

    monkeypatch.setattr(look_devices, "last_by_key", stored)
    monkeypatch.setattr(look_devices, "worker_clocks", said)
    out = terminal(monkeypatch, width)
    look_devices.list_devices(None, None, data=None, as_json=False, now_s=271)
    text = " ".join(out.getvalue().split())
    assert "ionizer-04-2" in text
    assert "wrong clock" in text
    assert "send once a minute of its clock, of the others once an hour" in text
    assert "newest of it 4 min 31 s ago" in text
    assert "No worker runs on .qala" in text
    assert ("every: " in text) == ("every" in out.getvalue().splitlines()[0])


def ozone(*, at: int, started: int) -> Alert:
    return Alert(
        id="a", rule="ozone-high", severity="critical", site="stop-1", kind="ionizer",
        device="i-1", state="firing", value=104.0, summary="Ozone 104 for 22s", at=at,
        ordinal=1, started=started, fired=True,
    )  # fmt: skip


def answer(
    monkeypatch: pytest.MonkeyPatch,
    listing: ModuleType,
    record: Alert | DeviceRecord,
    clocks: WorkerClocks,
) -> None:
    """Let Kafka hold one record, and the worker have said so much."""

    async def stored(*_: object) -> dict[bytes, bytes]:
        return {b"1": encode(record)}

    async def said(*_: object) -> WorkerClocks:
        return clocks

    monkeypatch.setattr(listing, "last_by_key", stored)
    monkeypatch.setattr(listing, "worker_clocks", said)


def test_alerts_say_apart_how_long_they_fire_and_when_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer(monkeypatch, look_alerts, ozone(at=43_000, started=3_000), NO_CLOCKS)
    out = terminal(monkeypatch, 140)
    wanted = look_alerts.Wanted(firing=True)
    look_alerts.list_alerts(wanted, data=None, as_json=False, now_s=83)
    head, row, *_ = out.getvalue().splitlines()
    assert "firing for" in head
    assert "began" in head
    assert "40 s  00:00:03" in row
    assert "figures do not move on" in " ".join(out.getvalue().split())
    assert "began: when" in out.getvalue()
    narrow = terminal(monkeypatch, 70)
    look_alerts.list_alerts(wanted, data=None, as_json=False, now_s=83)
    assert "began" in narrow.getvalue().split("not shown")[1].split(";")[0]
    assert "began: when" not in narrow.getvalue()


def test_ages_on_a_simulated_clock_are_its_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = DeviceRecord(
        site="stop-1", kind="ionizer", device="i-1", state="online", since=0, heard=7_290_000
    )

    clocks = WorkerClocks(1, {0: 81_000}, SimulatedClock(7_200_000, 81_000, 60.0))
    answer(monkeypatch, look_alerts, ozone(at=7_200_000, started=7_100_000), clocks)
    answer(monkeypatch, look_devices, device, clocks)
    out = terminal(monkeypatch, 140)
    look_alerts.list_alerts(look_alerts.Wanted(), data=None, as_json=False, now_s=83)
    look_devices.list_devices(None, None, data=None, as_json=False, now_s=83)
    text = out.getvalue()
    assert "  2 min  " in text
    assert "30 s ago" in text
    assert text.count("simulated, 60 times as fast") == 2


def test_a_sealed_letter_is_as_large_as_what_came_in_and_new() -> None:
    key = PersonKey("0123456789abcdef0123456789abcdef")
    sealed = key.seal(b"x" * 23)
    letter = letter_of(Ref(0, 1), 0, len(sealed), [(HEADER_SEALED, key.sealed.encode())])
    assert letter.size == 23
    assert letter.state == "new"


def test_a_list_of_letters_has_sealed_and_the_state_in_columns_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letter = Letter(
        ref=Ref(3, 1042), written_ms=0, size=23, topic="qala/v1/s/camera/c/telemetry",
        reason="not_json", detail="", bridge="1", sealed="v1:x", replay_of=Ref(3, 2),
    )  # fmt: skip

    class Topic:
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def newest(self, *_: object) -> list[Letter]:
            return [letter]

    monkeypatch.setattr(look_letters, "open_letters", lambda _: Topic())
    out = terminal(monkeypatch, 120)
    look_letters.list_letters(Filter(), 5, data=None, as_json=False, now_s=60)
    head, row, *_ = out.getvalue().splitlines()
    assert head.split()[-5:] == ["size", "sealed", "state", "replay", "of"]
    assert row.split()[-5:] == ["23", "B", "yes", "new", "3/2"]
