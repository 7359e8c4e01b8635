"""Policies, fields and units of measurements, and the shifts under the millisecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.measurements import (
    DEFAULT_POLICY,
    POLICIES,
    POLICY_OF_MEASUREMENT,
    POLICY_OF_WINDOW,
    TAG_FIELDS,
    fields_of,
    late_shift_ns,
    rollup_fields,
    timestamp_ns,
    unit_of,
)
from schemas.readings import READING_STRUCTS
from schemas.records import WINDOW_MS

BOOTS = st.integers(0, 2**32 - 1)
SEQS = st.integers(0, 2**53 - 1)

# name, kind, optional, unit; copied by hand from the contract
FIELDS = {
    "passage": [
        ("person", "str", False, ""),
        ("mask", "bool", True, ""),
        ("body_celsius", "float", True, "°C"),
        ("confidence", "float", True, "1"),
    ],
    "scene": [
        ("people", "int", False, "people"),
        ("vehicles", "int", True, "vehicles"),
        ("motion", "float", True, "1"),
        ("fps", "float", False, "frames/s"),
        ("bitrate_kbps", "float", True, "kbit/s"),
        ("storage_free_pct", "float", True, "%"),
        ("tamper", "bool", True, ""),
    ],
    "temperature": [("celsius", "float", False, "°C"), ("humidity_pct", "float", True, "%")],
    "air": [
        ("efficiency_pct", "float", False, "%"),
        ("ions_cm3", "float", True, "ions/cm³"),
        ("ozone_ugm3", "float", True, "µg/m³"),
        ("pm25_ugm3", "float", True, "µg/m³"),
        ("co2_ppm", "float", True, "ppm"),
        ("filter_hours", "float", True, "h"),
        ("power_w", "float", True, "W"),
        ("people", "int", True, "people"),
    ],
    "audio": [
        ("volume_pct", "float", False, "%"),
        ("playing", "bool", False, ""),
        ("announcement", "str", True, ""),
        ("queue", "int", True, "announcements"),
        ("noise_db", "float", True, "dB"),
    ],
    "ticket": [("ticket", "str", False, "")],
}


@pytest.mark.parametrize("name", READING_STRUCTS)
def test_a_type_has_the_fields_kinds_and_units_of_the_contract(name):
    assert sorted(fields_of(name)) == sorted(FIELDS[name])


@pytest.mark.parametrize("name", READING_STRUCTS)
def test_windows_aggregate_numbers_and_truth_values_only(name):
    numeric = {field for field, kind, *_ in FIELDS[name] if kind != "str"}
    assert {field.name for field in rollup_fields(name)} == numeric


def test_tags_are_those_of_the_contract():
    assert TAG_FIELDS == {
        "passage": ("direction",),
        "scene": (),
        "temperature": ("subject",),
        "air": (),
        "audio": (),
        "ticket": ("service", "event"),
    }


def test_a_unit_is_found_by_type_and_field():
    assert unit_of("air", "ozone_ugm3") == "µg/m³"
    assert unit_of("scene", "tamper") == ""
    with pytest.raises(KeyError):
        unit_of("air", "celsius")


def test_policies_keep_what_the_contract_says():
    days = {name: policy.keep_s and policy.keep_s / 86_400 for name, policy in POLICIES.items()}
    assert days == {"raw": 30, "r10s": 7, "r1m": 365, "r1h": None}
    assert [policy.name for policy in POLICIES.values()] == list(POLICIES)
    assert DEFAULT_POLICY == "raw"
    assert POLICY_OF_WINDOW == {"10s": "r10s", "1m": "r1m", "1h": "r1h"}
    assert POLICY_OF_MEASUREMENT == {
        "device_state": "raw",
        "pipeline": "raw",
        "alert": "r1h",
        "announcement": "r1h",
        "simulated": "r1h",
    }


def test_no_policy_has_a_shard_longer_than_it_keeps():
    assert all(
        policy.keep_s is None or policy.shard_s <= policy.keep_s for policy in POLICIES.values()
    )


def test_a_timestamp_is_that_of_the_contract():
    assert timestamp_ns(1_767_225_600_000, 0, 0) == 1_767_225_600_000_000_000
    assert timestamp_ns(1_767_225_600_000, 3, 42) == 1_767_225_600_000_000_000 + 42 + 3 * 7919
    assert timestamp_ns(0, 1, 999_999) == 7918


@given(st.integers(0, 2**42), BOOTS, SEQS)
def test_a_timestamp_stays_within_its_millisecond(ms, boot, seq):
    assert ms * 1_000_000 <= timestamp_ns(ms, boot, seq) < (ms + 1) * 1_000_000


@given(st.integers(0, 2**42), BOOTS, SEQS, st.integers(1, 999_999))
def test_neighbours_of_one_boot_never_share_a_timestamp(ms, boot, seq, distance):
    assert timestamp_ns(ms, boot, seq) != timestamp_ns(ms, boot, seq + distance)


@pytest.mark.parametrize("window", WINDOW_MS)
@given(offset=st.integers(0, 2**63 - 1))
def test_a_late_partial_stands_inside_its_window_and_never_on_its_start(window, offset):
    shift = late_shift_ns(offset, WINDOW_MS[window])
    assert 1 <= shift < WINDOW_MS[window] * 1_000_000


@pytest.mark.parametrize(
    "offset, shift", [(0, 1), (1, 2), (9_999_999_998, 9_999_999_999), (9_999_999_999, 1)]
)
def test_a_late_shift_is_that_of_the_contract(offset, shift):
    assert late_shift_ns(offset, 10_000) == shift
