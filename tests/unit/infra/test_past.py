"""A simulated past without a server: the rows, and the loop that writes them."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from infra.simulator import SimulatorSettings, parse_faults
from infra.simulator.local_time import DAY_MS, HOUR_MS, day_start_ms, weekday
from infra.simulator.own_pace import OwnPace
from infra.simulator.past import FillError, fill
from infra.simulator.past.history import STEP_MS, History
from infra.simulator.past.log import SimulatedLog
from infra.simulator.past.writers import Writers
from ingest.persons import PersonKey
from schemas.clock import RealClock, SimulatedClock
from schemas.connections import InfluxConnection
from schemas.envelope import decode_envelope
from sinks.contract import Trouble
from sinks.memory import ListSink
from streams.rulefile import default_rules, load_rules
from streams.rules import RuleSet
from tests.support.folds import value_rule

KEY = PersonKey("only-for-tests-0123456789abcdefgh")
MONDAY = next(day for day in range(20_440, 20_447) if weekday(day) == 0)
NOON_MS = day_start_ms(MONDAY) + 12 * HOUR_MS
HOURS = 0.5
FAULTS = "duplicates=2%,late=2%,malformed=2%,wrong_clock=1%"


def history(
    hours: float = HOURS,
    end_ms: int = NOON_MS,
    rules: RuleSet | None = None,
    **given_settings: object,
) -> History:
    settings = SimulatorSettings(devices=12, sites=4, **given_settings)
    start_ms = end_ms - int(hours * HOUR_MS)
    rules = rules or load_rules(default_rules())
    return History(settings, start_ms=start_ms, end_ms=end_ms, key=KEY, rules=rules)


@pytest.fixture
def clock() -> SimulatedClock:
    """The time at which the past ends."""
    return SimulatedClock(NOON_MS * 1000, 1.0, RealClock().now_us())


@pytest.fixture
def sink() -> ListSink:
    return ListSink(now_ns=lambda: NOON_MS * 1_000_000)


def rows_of(made: History, wall_ms: int = NOON_MS) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    while not made.ended:
        for policy, found in made.step(wall_ms).items():
            rows.setdefault(policy, []).extend(found)
    return rows


def test_no_alert_is_left_on_at_the_end_of_the_past():
    # it would be shown as firing for as long as boards look back
    always = RuleSet.of([value_rule("warm", "temperature.celsius", limit=-89.0, clear=-89.0)])
    made = history(rules=always)
    newest: dict[str, str] = {}
    fired = 0
    while not made.ended:
        for row in made.step(NOON_MS).get("r1h", []):
            if row.startswith("alert,"):
                newest[row.split(" ", 1)[0]] = "firing" if "firing=1i" in row else "at rest"
                fired += "firing=1i" in row
    assert fired == len(newest) > 0
    assert set(newest.values()) == {"at rest"}


def test_the_log_holds_every_reading_once_and_counts_dead_letters():
    city = OwnPace(SimulatorSettings(faults=parse_faults("malformed=5%")), NOON_MS * 1000)
    log, now_ms = SimulatedLog(KEY), NOON_MS + 600_000
    messages = city.until(now_ms * 1000)
    record = log.record(messages, now_ms)
    lines = decode_envelope(record.value)
    assert len(lines) == record.lines
    assert sum(line.reading is not None for line in lines) == city.readings > 1000
    assert len(record.letters) == sum(message.rejected for message in messages) > 20
    assert all(line.rx == now_ms * 1000 for line in lines)


def test_the_log_holds_no_person_in_the_clear():
    before_school = day_start_ms(MONDAY) + 7 * HOUR_MS
    city = OwnPace(SimulatorSettings(), before_school * 1000)
    record = SimulatedLog(KEY).record(
        city.until((before_school + HOUR_MS) * 1000), before_school + HOUR_MS
    )
    assert record.value.count(b'"type":"passage"') > 100
    assert b"person-" not in record.value


def test_the_same_past_has_the_same_rows_and_another_seed_others():
    first = rows_of(history(faults=FAULTS))
    assert rows_of(history(faults=FAULTS)) == first
    assert rows_of(history(faults=FAULTS, seed=2)) != first
    assert first.keys() == {"raw", "r10s", "r1m", "r1h"}


def test_our_steps_through_the_past_are_no_outages():
    rows = rows_of(history())["raw"]
    (last,) = [row for row in rows if row.endswith(f" {NOON_MS}000000") and "=streams," in row]
    assert ",outages=0.0" in last
    assert f"records={HOURS * HOUR_MS / STEP_MS}" in last


def test_what_its_policy_no_longer_keeps_is_left_out_and_counted():
    made = history()
    rows = rows_of(made, NOON_MS + 8 * DAY_MS)
    assert rows.keys() == {"raw", "r1m"} | ({"r1h"} & rows.keys())
    assert made.expired > 100
    made = history()
    assert "raw" not in rows_of(made, NOON_MS + 31 * DAY_MS)


def test_the_pipeline_is_dense_at_the_end_and_sparse_before():
    rows = rows_of(history(1.1))["raw"]
    times = [int(row.rsplit(" ", 1)[1]) // 1_000_000 for row in rows if "stage=streams," in row]
    gaps = Counter(after - before for before, after in itertools.pairwise(times))
    assert gaps == {2_000: 1800, 60_000: 5}
    assert times[-1] == NOON_MS


def test_the_past_is_marked_as_simulated_each_hour_and_at_its_end():
    end_ms = NOON_MS + 60_000
    rows = rows_of(history(1.1, end_ms), end_ms)["raw"]
    marks = [row for row in rows if row.startswith("pipeline,stage=simulator,simulated=true ")]
    times = {int(row.rsplit(" ", 1)[1]) // 1_000_000 for row in marks}
    assert times == {NOON_MS - HOUR_MS, NOON_MS, end_ms}


def test_each_hour_and_site_of_a_past_older_than_raw_rows_is_marked_as_simulated():
    rows = rows_of(history(3), NOON_MS + 60 * DAY_MS)
    assert rows.keys() == {"r1m", "r1h"}
    marks = [row.split(" ") for row in rows["r1h"] if row.startswith("simulated,")]
    hours = {int(stamp) // 1_000_000 for _, _, stamp in marks}
    assert hours >= {NOON_MS - hours_ago * HOUR_MS for hours_ago in (1, 2, 3)}
    of_windows = {row.split(",site=")[1].split(",")[0] for row in rows["r1h"] if "_1h," in row}
    assert {series.removeprefix("simulated,site=") for series, _, _ in marks} >= of_windows


async def test_all_rows_are_written_to_their_policies(clock, sink):
    shares: list[float] = []
    writers = Writers(sink, clock)
    await writers.write(history(), shares.append)
    wanted = rows_of(history(), NOON_MS)
    assert writers.accepted == {policy: len(rows) for policy, rows in wanted.items()}
    assert {policy for policy, _, _ in sink.rows} == wanted.keys()
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


async def test_an_influxdb_that_stays_away_is_given_up_with_its_trouble(clock, sink):
    sink.away = Trouble("InfluxDB is away")
    with pytest.raises(FillError, match="InfluxDB is away; nothing was written"):
        await Writers(sink, clock, give_up_s=0.0).write(history(), lambda _share: None)


async def test_a_refused_row_ends_the_filling(clock, sink):
    await sink.write("r1m", [f'temperature_1m,site=x count="a text" {NOON_MS}000000'])
    with pytest.raises(FillError, match="refuses a row"):
        await Writers(sink, clock).write(history(), lambda _share: None)


async def test_a_past_that_ends_in_the_future_is_refused():
    with pytest.raises(FillError, match="future"):
        await fill(
            SimulatorSettings(),
            days=1,
            end_ms=RealClock().now_us() // 1000 + 60_000,
            influx=InfluxConnection(url="http://127.0.0.1:9"),
            key=lambda: KEY,
            rules=load_rules(default_rules()),
        )
