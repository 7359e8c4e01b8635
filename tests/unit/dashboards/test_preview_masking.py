from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.draw import Missing
from dashboards.model import Liveness, Signal
from dashboards.preview.errors import UnmaskedError
from dashboards.preview.masking import current, is_live, live_share, newest
from schemas.influxql import Series

LIVENESS = Liveness(stage="streams", title="Worker", query="live")
OZONE = Signal(
    name="ozone",
    title="Ozone",
    query="ozone",
    unit="µg/m³",
    kind="now",
    measurement="air",
    description="Ozone.",
    by=("site", "device"),
    liveness=LIVENESS,
)


def answer(value: object) -> list[Series]:
    return [Series({}, ("time", "value"), [[0, value]])]


def ozone(site: str, value: object) -> Series:
    return Series({"site": site, "device": "ion-1"}, ("time", "value"), [[5, value]])


LIVE = answer(1.0)


@pytest.mark.parametrize(
    "liveness",
    [
        [],
        [Series({}, ("time", "value"), [])],
        [Series({}, ("time", "other"), [[0, 1.0]])],
        answer(None),
        answer("1"),
        answer(0),
        answer(0.875),
    ],
    ids=["no answer", "no row", "no column", "null", "a string", "nothing ticks", "one partition"],
)
def test_whatever_is_not_wholly_live_makes_every_value_unknown(liveness):
    assert not is_live(liveness)
    assert current(OZONE, [ozone("stop-1", 40.0)], liveness) == Missing("unknown")


@given(st.floats(max_value=0.999) | st.just(float("nan")))
def test_no_share_up_to_the_limit_lets_a_value_through(share):
    assert current(OZONE, [ozone("stop-1", 40.0)], answer(share)) == Missing("unknown")


def test_shares_that_add_up_to_nearly_one_are_live():
    assert is_live(answer(sum([1 / 7] * 7)))


def test_live_values_are_given_by_series():
    found = current(OZONE, [ozone("stop-1", 40.0), ozone("stop-2", 41)], LIVE)
    assert found == {("stop-1", "ion-1"): 40.0, ("stop-2", "ion-1"): 41.0}


def test_series_whose_value_is_null_has_no_value():
    found = current(OZONE, [ozone("stop-1", None), ozone("stop-2", 41.0)], LIVE)
    assert found == {("stop-2", "ion-1"): 41.0}


def test_nothing_to_show_where_all_is_live_is_no_data():
    assert current(OZONE, [], LIVE) == Missing("no data")
    assert current(OZONE, [ozone("stop-1", None)], LIVE) == Missing("no data")


@pytest.mark.parametrize("change", [{"liveness": None}, {"kind": "history"}])
def test_value_that_nothing_vouches_for_can_not_be_asked_for_as_current(change):
    fields = {name: getattr(OZONE, name) for name in OZONE.__dataclass_fields__} | change
    with pytest.raises(UnmaskedError, match="'ozone'"):
        current(Signal(**fields), [ozone("stop-1", 40.0)], LIVE)


def test_share_says_how_much_is_live():
    assert live_share(answer(0.875)) == 0.875
    assert live_share([]) is None


def test_newest_row_of_each_series_is_told_by_its_time():
    rows = Series({"site": "stop-1", "device": "ion-1"}, ("time", "value"), [[5, 1.0], [9, None]])
    assert newest(OZONE, [rows]) == {("stop-1", "ion-1"): 9}
