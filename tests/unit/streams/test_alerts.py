from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.lineprotocol import alert_row
from schemas.records import Alert
from streams.alerts import ALLOWED_LATENESS_MS, MAX_BEHIND_MS, AbsentAlert, ValueAlert
from streams.rules import AbsentRule, ValueRule

T0 = 1_700_000_000_000
SITE, DEVICE = "stop-1", "ion-1"


def value_rule(**changes) -> ValueRule:
    rule = ValueRule(
        id="ozone-high",
        measure="air.ozone_ugm3",
        type="air",
        window=None,
        field="ozone_ugm3",
        statistic=None,
        above=True,
        limit=100.0,
        clear=90.0,
        for_ms=0,
        severity="critical",
        summary="Ozone {value} {unit} at {site}, {device} for {since} ({rule}, {limit})",
        unit="µg/m³",
        runbook="docs/runbooks/ozone-high.md",
    )
    return msgspec.structs.replace(rule, **changes)


def absent_rule(**changes) -> AbsentRule:
    rule = AbsentRule(
        id="thermometer-silent",
        type="temperature",
        for_ms=60_000,
        severity="warning",
        summary="{device} silent for {since}",
    )
    return msgspec.structs.replace(rule, **changes)


def run(alert: ValueAlert, *readings: tuple[float, int]) -> list[Alert]:
    """Judge (value, seconds after T0), each as it comes, without an outage."""
    changes: list[Alert] = []
    for value, second in readings:
        now = T0 + second * 1000
        changes += alert.judge(value, now, now, now) or []
    return changes


def states(changes: list[Alert]) -> list[str]:
    return [change.state for change in changes]


def test_a_value_at_the_limit_is_silent_and_one_over_it_fires():
    alert = ValueAlert(value_rule(), SITE, DEVICE)
    assert run(alert, (100.0, 0), (100, 1)) == []
    assert states(run(alert, (100.1, 2))) == ["firing"]


def test_a_firing_alert_stays_silent_inside_its_hysteresis_and_resolves_at_clear():
    alert = ValueAlert(value_rule(), SITE, DEVICE)
    run(alert, (104, 0))
    assert run(alert, (99, 1), (90.1, 2), (120, 3), (95, 4)) == []
    assert states(run(alert, (90, 5))) == ["resolved"]
    assert run(alert, (95, 6), (100, 7)) == []


def test_below_is_the_mirror_of_above():
    alert = ValueAlert(value_rule(above=False, limit=10.0, clear=15.0), SITE, DEVICE)
    assert run(alert, (10, 0), (12, 1)) == []
    assert states(run(alert, (9.9, 2))) == ["firing"]
    assert run(alert, (10, 3), (14.9, 4)) == []
    assert states(run(alert, (15, 5))) == ["resolved"]


def test_a_boolean_is_judged_as_zero_or_one():
    alert = ValueAlert(value_rule(limit=0.0, clear=0.0), SITE, DEVICE)
    assert run(alert, (False, 0)) == []
    (fired,) = run(alert, (True, 1))
    assert (fired.state, type(fired.value), fired.value) == ("firing", float, 1.0)
    assert states(run(alert, (False, 2))) == ["resolved"]


def test_an_alert_says_what_it_is_with_the_value_of_each_moment():
    alert = ValueAlert(value_rule(for_ms=20_000), SITE, DEVICE)
    pending, firing, resolved = run(alert, (104.2, 0), (110, 20), (80.10000001, 200))
    assert firing == Alert(
        id=pending.id,
        rule="ozone-high",
        severity="critical",
        site=SITE,
        kind="ionizer",
        device=DEVICE,
        state="firing",
        value=110.0,
        summary="Ozone 110 µg/m³ at stop-1, ion-1 for 20s (ozone-high, 100)",
        at=T0 + 20_000,
        ordinal=1,
        started=T0,
        unit="µg/m³",
        measure="air.ozone_ugm3",
        runbook="docs/runbooks/ozone-high.md",
        fired=True,
    )
    assert pending.summary == "Ozone 104.2 µg/m³ at stop-1, ion-1 for 0s (ozone-high, 100)"
    assert resolved.summary == "Ozone 80.1 µg/m³ at stop-1, ion-1 for 3m 20s (ozone-high, 100)"
    assert [change.ordinal for change in (pending, firing, resolved)] == [0, 1, 2]
    assert {change.started for change in (pending, firing, resolved)} == {T0}
    assert [change.fired for change in (pending, firing, resolved)] == [False, True, True]


def test_a_condition_must_hold_for_its_duration_in_event_time():
    alert = ValueAlert(value_rule(for_ms=20_000), SITE, DEVICE)
    assert states(run(alert, (101, 0))) == ["pending"]
    assert run(alert, (101, 19)) == []
    assert states(run(alert, (101, 20))) == ["firing"]


def test_a_pending_alert_ends_at_the_first_value_that_is_not_over_the_limit():
    alert = ValueAlert(value_rule(for_ms=20_000), SITE, DEVICE)
    pending, ended = run(alert, (101, 0), (99, 10))
    assert (ended.state, ended.id, ended.fired) == ("resolved", pending.id, False)
    assert alert.due_active_ms is None
    again, fired = run(alert, (101, 15), (101, 35))
    assert (again.state, fired.state, again.ordinal) == ("pending", "firing", 0)
    assert again.id != pending.id


def test_a_pending_alert_fires_by_the_clock_when_the_device_says_no_more():
    alert = ValueAlert(value_rule(for_ms=20_000), SITE, DEVICE)
    run(alert, (101, 0), (103, 5))
    due = alert.due_active_ms
    assert due == T0 + 20_000 + ALLOWED_LATENESS_MS
    assert alert.elapse(due - 1, due - 1) is None
    (fired,) = alert.elapse(due, due) or []
    assert (fired.state, fired.value, fired.at) == ("firing", 103.0, due)
    assert alert.elapse(due + 1, due + 1) is None


def test_an_outage_of_ours_does_not_run_a_duration_out_by_the_clock():
    alert = ValueAlert(value_rule(for_ms=20_000), SITE, DEVICE)
    run(alert, (101, 0))
    outage = 300_000
    assert alert.elapse(T0 + outage, T0) is None
    clock = T0 + outage + 22_000
    assert states(alert.elapse(clock, clock - outage) or []) == ["firing"]


def test_an_older_reading_changes_nothing_and_is_counted():
    alert = ValueAlert(value_rule(), SITE, DEVICE)
    run(alert, (50, 10))
    assert run(alert, (200, 9)) == []
    assert alert.skipped == 1
    assert states(run(alert, (200, 10))) == ["firing"]


def test_a_reading_more_than_a_minute_behind_the_clock_changes_nothing_and_is_counted():
    alert = ValueAlert(value_rule(), SITE, DEVICE)
    clock = T0 + MAX_BEHIND_MS
    assert alert.judge(200, T0 - 1, clock, clock) is None
    assert alert.skipped == 1
    assert states(alert.judge(200, T0, clock, clock) or []) == ["firing"]


def test_a_window_that_closes_after_an_outage_is_judged_all_the_same():
    rule = value_rule(measure="air_1h.ozone_ugm3_max", window="1h", statistic="max")
    alert = ValueAlert(rule, SITE, DEVICE)
    assert states(alert.judge(200, T0, T0 + 300_000, T0) or []) == ["firing"]


def test_an_alert_that_begins_again_in_the_same_millisecond_counts_on():
    alert = ValueAlert(value_rule(), SITE, DEVICE)
    changes = run(alert, (101, 0), (80, 0), (102, 0))
    assert len({change.id for change in changes}) == 1
    assert [change.ordinal for change in changes] == [0, 1, 2]


def test_alerts_of_other_rules_devices_and_starts_have_other_ids():
    ids = {
        run(ValueAlert(value_rule(id=rule), site, device), (101, second))[0].id
        for rule in ("a", "b")
        for site in ("s", "t")
        for device in ("d", "e")
        for second in (0, 1)
    }
    assert len(ids) == 16


def test_a_device_that_falls_silent_fires_once_and_resolves_at_its_next_reading():
    alert = AbsentAlert(absent_rule(), SITE, DEVICE)
    assert alert.due_active_ms is None
    assert alert.elapse(T0, T0, 0) is None
    assert alert.heard(T0, T0) is None
    due = alert.due_active_ms
    assert due == T0 + 60_000
    assert alert.elapse(due - 1, due - 1, 0) is None
    (fired,) = alert.elapse(due, due, 0) or []
    assert (fired.state, fired.value, fired.started, fired.at) == ("firing", 60.0, T0, due)
    assert (fired.summary, fired.unit, fired.measure) == ("ion-1 silent for 1m", "s", "temperature")
    assert alert.due_active_ms is None
    assert alert.elapse(due + 1000, due + 1000, 0) is None
    (resolved,) = alert.heard(T0 + 90_000, T0 + 90_000) or []
    assert (resolved.state, resolved.id, resolved.value) == ("resolved", fired.id, 90.0)
    assert (fired.ordinal, resolved.ordinal, resolved.fired) == (0, 1, True)
    assert resolved.summary == "ion-1 silent for 1m 30s"
    assert alert.due_active_ms == T0 + 150_000


def test_every_reading_puts_the_silence_off():
    alert = AbsentAlert(absent_rule(), SITE, DEVICE)
    for second in range(0, 300, 30):
        now = T0 + second * 1000
        assert alert.elapse(now, now, 0) is None
        assert alert.heard(now, now) is None


def test_an_outage_of_ours_is_not_a_silence():
    alert = AbsentAlert(absent_rule(), SITE, DEVICE)
    alert.heard(T0, T0)
    outage = 300_000
    hold = T0 + 60_000
    assert alert.elapse(T0 + outage + 59_999, T0 + 59_999, hold) is None
    (fired,) = alert.elapse(T0 + outage + 60_000, T0 + 60_000, hold) or []
    assert fired.value == 60.0


def test_an_absence_that_is_due_waits_until_the_queue_had_time_to_come_in():
    alert = AbsentAlert(absent_rule(), SITE, DEVICE)
    alert.heard(T0, T0)
    hold = T0 + 50_000 + 60_000
    assert alert.elapse(hold - 1, hold - 1, hold) is None
    assert states(alert.elapse(hold, hold, hold) or []) == ["firing"]


def test_nothing_judged_or_heard_leaves_nothing_to_keep():
    assert ValueAlert(value_rule(), SITE, DEVICE).snapshot() is None
    assert AbsentAlert(absent_rule(), SITE, DEVICE).snapshot() is None


def test_a_pending_alert_still_fires_by_the_clock_after_a_restore():
    rule = value_rule(for_ms=20_000)
    alert = ValueAlert(rule, SITE, DEVICE)
    run(alert, (101, 0), (103, 5))
    alert = cut(alert, ValueAlert(rule, SITE, DEVICE))
    due = T0 + 20_000 + ALLOWED_LATENESS_MS
    assert alert.due_active_ms == due
    (fired,) = alert.elapse(due, due) or []
    assert (fired.state, fired.value, fired.ordinal) == ("firing", 103.0, 1)


def test_a_second_life_in_one_millisecond_counts_on_after_a_restore_too():
    rule = value_rule()
    alert = ValueAlert(rule, SITE, DEVICE)
    before = run(alert, (101, 0), (80, 0))
    after = run(cut(alert, ValueAlert(rule, SITE, DEVICE)), (102, 0))
    assert [(a.id, a.ordinal) for a in before + after] == [(before[0].id, n) for n in range(3)]


def test_a_second_alert_in_one_millisecond_of_the_clock_has_rows_after_the_first_ones():
    rule = value_rule()
    alert, now = ValueAlert(rule, SITE, DEVICE), T0 + 5000
    before = [c for v, s in ((101, 0), (80, 1000)) for c in alert.judge(v, T0 + s, now, now) or []]
    alert = cut(alert, ValueAlert(rule, SITE, DEVICE))
    (again,) = alert.judge(102, T0 + 2000, now, now) or []
    assert states([*before, again]) == ["firing", "resolved", "firing"]
    assert again.id != before[0].id
    assert [alert_row(change).rpartition(" ")[2] for change in (*before, again)] == [
        f"{now * 1_000_000 + place}" for place in range(3)
    ]


def test_an_idle_alert_keeps_one_number():
    alert = ValueAlert(value_rule(), SITE, DEVICE)
    run(alert, (50, 0))
    assert alert.snapshot() == (T0,)


# value, event time behind the clock, step of the clock, length of an outage before it
STEPS = st.lists(
    st.tuples(
        st.sampled_from([None, 80.0, 90.0, 95.0, 100.0, 100.5, 104.2, True]),
        st.sampled_from([0, 0, 0, 1000, 61_000]),
        st.sampled_from([0, 0, 1000, 5000, 25_000]),
        st.sampled_from([0, 0, 0, 70_000]),
    ),
    max_size=40,
)


class Times:
    def __init__(self) -> None:
        self.clock = self.active = T0

    def advance(self, step: int, outage: int) -> None:
        self.clock += step + outage
        self.active += step


def cut(alert, fresh):
    """The same alert after a crash: its snapshot through msgpack into a new object."""
    kept = alert.snapshot()
    if kept is not None:
        fresh.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(kept)))
        assert fresh.snapshot() == kept
    return fresh


def value_run(rule: ValueRule, steps, cuts: set[int]) -> list[tuple[int, Alert]]:
    alert, times, changes = ValueAlert(rule, SITE, DEVICE), Times(), []
    for place, (value, behind, step, outage) in enumerate(steps):
        if place in cuts:
            alert = cut(alert, ValueAlert(rule, SITE, DEVICE))
        times.advance(step, outage)
        if alert.due_active_ms is not None:
            changes += [(place, a) for a in alert.elapse(times.clock, times.active) or []]
        if value is not None:
            found = alert.judge(value, times.clock - behind, times.clock, times.active)
            changes += [(place, a) for a in found or []]
    return changes


@given(
    steps=STEPS,
    cuts=st.sets(st.integers(0, 40)),
    for_ms=st.sampled_from([0, 5000, 20_000]),
    above=st.booleans(),
)
def test_a_value_alert_cut_anywhere_goes_on_as_if_nothing_had_happened(steps, cuts, for_ms, above):
    clear = 90.0 if above else 102.0
    rule = value_rule(for_ms=for_ms, above=above, clear=clear)
    assert value_run(rule, steps, cuts) == value_run(rule, steps, set())


@given(steps=STEPS, for_ms=st.sampled_from([0, 5000, 20_000]))
def test_the_changes_of_a_value_alert_follow_its_life(steps, for_ms):
    changes = [alert for _, alert in value_run(value_rule(for_ms=for_ms), steps, set())]
    first = "pending" if for_ms else "firing"
    after = {"pending": {"firing", "resolved"}, "firing": {"resolved"}, "resolved": {first}}
    assert not changes or changes[0].state == first
    for one, two in pairwise(changes):
        assert two.state in after[one.state]
        if one.state != "resolved":
            assert (two.id, two.ordinal) == (one.id, one.ordinal + 1)
            assert two.fired == (two.state == "firing" or one.state == "firing")
    keys = [(alert.id, alert.ordinal) for alert in changes]
    assert len(set(keys)) == len(keys)
    places = [(alert.at, alert.ordinal) for alert in changes]
    assert places == sorted(set(places))


def absent_run(steps, cuts: set[int]) -> list[tuple[int, Alert]]:
    rule = absent_rule(for_ms=20_000)
    alert, times, hold, changes = AbsentAlert(rule, SITE, DEVICE), Times(), 0, []
    for place, (value, _, step, outage) in enumerate(steps):
        if place in cuts:
            alert = cut(alert, AbsentAlert(rule, SITE, DEVICE))
        times.advance(step, outage)
        hold = times.active + 60_000 if outage else hold
        changes += [(place, a) for a in alert.elapse(times.clock, times.active, hold) or []]
        if value is not None:
            changes += [(place, a) for a in alert.heard(times.clock, times.active) or []]
    return changes


@given(steps=STEPS, cuts=st.sets(st.integers(0, 40)))
def test_an_absence_cut_anywhere_goes_on_as_if_nothing_had_happened(steps, cuts):
    assert absent_run(steps, cuts) == absent_run(steps, set())
