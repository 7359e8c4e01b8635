"""Invariant 6: whatever dies and whoever writes late, the outputs are those of one quiet run."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import topics
from tests.support.cities import DEVICES, STEPS, City, random_steps
from tests.support.folds import device_records, quiet_run, reloaded, troubled_run, written

steps = st.lists(
    st.tuples(
        st.sampled_from(sorted(set(STEPS))), st.integers(0, len(DEVICES) - 1), st.integers(0, 999)
    ),
    min_size=5,
    max_size=80,
)


def assert_same(log, random) -> None:
    quiet, expected = quiet_run(log)
    troubled, found = troubled_run(log, random)
    for topic in (topics.ROLLUPS, topics.ALERTS):
        assert found.of(topic) == expected.of(topic), topic
    assert found.progress_keys() == expected.progress_keys()
    assert found.transitions() == expected.transitions()
    assert device_records(troubled) == device_records(quiet)


@given(steps, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_crashes_and_zombies_change_no_row_alert_or_device_state(drawn, seed):
    city = City()
    city.play(drawn)
    assert_same(city.quiet(40), Random(seed))


@pytest.mark.parametrize("part", range(8))
def test_long_random_logs_survive_crashes_and_zombies(part):
    for seed in range(part * 25, part * 25 + 25):
        log = City().play(random_steps(seed, 130))
        try:
            assert_same(log, Random(seed))
        except AssertionError as exc:
            raise AssertionError(f"with the log of seed {seed}") from exc


def test_no_key_has_two_values_in_one_run():
    for seed in range(40):
        _, results = quiet_run(City().play(random_steps(seed, 300)))
        for (topic, key), values in results.values.items():
            if topic == topics.ROLLUPS:
                assert len(values) == 1, (seed, key)


def test_a_state_that_is_loaded_is_written_again_as_it_was():
    part, _ = quiet_run(City().play(random_steps(11, 400)))
    kept = written(part)
    assert written(reloaded(kept)) == kept
