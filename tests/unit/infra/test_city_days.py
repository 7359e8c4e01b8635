"""The simulated city at its own pace, over the days of a week."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import mean

import msgspec
import pytest

from infra.simulator import OwnPace, SimulatorSettings
from infra.simulator.centre import SERVICES
from infra.simulator.local_time import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SUNDAY,
    day_start_ms,
    local_day,
    minute_of_day,
    weekday,
)
from infra.simulator.message import Outgoing
from infra.simulator.noise import Noise
from infra.simulator.samplers import Camera, Thermometer
from infra.simulator.school import School, bells
from infra.simulator.spells import Spells
from infra.simulator.stop import Ionizer, Stop
from infra.simulator.town import PACE_MS
from infra.simulator.weather import Weather
from schemas.measurements import fields_of
from schemas.readings import KIND_OF_TYPE, READING_STRUCTS, Reading
from schemas.topics import parse_mqtt_topic

READINGS = msgspec.json.Decoder(Reading)
MONDAY = next(day for day in range(20_440, 20_447) if weekday(day) == 0)
START_US = day_start_ms(MONDAY) * 1000
TIMES = 60


def city_of(**given_settings: object) -> OwnPace:
    return OwnPace(SimulatorSettings(**given_settings), START_US, times=TIMES)


def week(city: OwnPace, days: int = 7) -> Iterator[Outgoing]:
    for hour in range(1, days * 24 + 1):
        yield from city.until(START_US + hour * HOUR_MS * 1000)


@pytest.fixture(scope="module")
def messages() -> list[Outgoing]:
    """All messages of one week of the usual city."""
    return list(week(city_of()))


@pytest.fixture(scope="module")
def readings(messages: list[Outgoing]) -> list[tuple[str, str, dict]]:
    """Site, device and reading of every message of devices whose clock was right."""
    found = []
    for message in messages:
        if message.meant == "valid":
            topic = parse_mqtt_topic(message.topic)
            found.append((topic.site, topic.device, json.loads(message.payload)))
    return found


def of_type(readings, name: str) -> list[tuple[str, str, dict]]:
    return [one for one in readings if one[2]["type"] == name]


def test_every_reading_of_a_week_is_one_that_the_schemas_accept(messages):
    seen: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        if message.meant == "status":
            continue
        reading = READINGS.decode(message.payload)
        fields = json.loads(message.payload)
        assert KIND_OF_TYPE[fields["type"]] == parse_mqtt_topic(message.topic).kind, reading
        seen[fields["type"]].update(fields)
    assert seen.keys() == READING_STRUCTS.keys()
    for name, fields in seen.items():
        assert fields >= {field.name for field in fields_of(name)}


def test_the_usual_city_shows_every_kind_of_device_on_six_sites():
    city = city_of()
    kinds = Counter(device.kind for device in city.devices)
    assert kinds.keys() == set(KIND_OF_TYPE.values())
    assert len(city.devices) == len({(one.site, one.name) for one in city.devices}) == 30
    assert Counter(device.site for device in city.devices) == dict.fromkeys(
        ("school-59", "stop-07", "street-03", "iqala-02", "stop-08", "stop-09"), 5
    )


def test_the_same_seed_gives_the_same_week_and_another_seed_another(messages):
    again = list(week(city_of(), days=2))
    assert again == messages[: len(again)]
    other = list(week(city_of(seed=2), days=1))
    assert [m.payload for m in other] != [m.payload for m in messages[: len(other)]]


def test_what_is_measured_does_not_depend_on_when_the_simulation_began():
    later_us = START_US + DAY_MS * 1000
    early, late = city_of(), OwnPace(SimulatorSettings(), later_us, times=TIMES)
    early.until(later_us)
    values = [
        {
            (message.topic, reading.pop("ts")): (reading.pop("seq"), reading.pop("boot"), reading)[
                2
            ]
            for message in city.until(later_us + 3 * HOUR_MS * 1000)
            if message.meant == "valid"
            for reading in [json.loads(message.payload)]
        }
        for city in (early, late)
    ]
    assert values[0] == values[1]
    assert len(values[0]) > 200


def test_messages_come_in_the_order_of_their_times_and_never_ahead_of_them(readings):
    times = [reading["ts"] for _, _, reading in readings]
    assert times == sorted(times)
    assert times[0] > START_US // 1000


def test_a_device_measures_at_its_pace(readings):
    times = [r["ts"] for site, device, r in readings if (site, device) == ("stop-07", "thermo-01")]
    gaps = Counter(b - a for a, b in itertools.pairwise(times))
    assert gaps.most_common(1)[0][0] == PACE_MS["thermometer"] * TIMES
    assert gaps.most_common(1)[0][1] > 0.99 * (len(times) - 1)


def test_as_many_readings_come_as_are_asked_for_and_the_others_later():
    city = city_of()
    end_us = START_US + HOUR_MS * 1000
    first = city.until(end_us, at_most=10)
    assert sum(message.readings for message in first) == city.readings == 10
    assert first + city.until(end_us) == city_of().until(end_us)


def test_pupils_come_before_the_first_bell_and_leave_after_their_lessons(readings):
    passages = of_type(readings, "passage")
    assert {device for _, device, _ in passages} == {"cam-01", "cam-02"}
    by_hour = Counter(
        (reading["direction"], minute_of_day(reading["ts"]) // 60) for _, _, reading in passages
    )
    arrived = sum(count for (way, _), count in by_hour.items() if way == "in")
    assert by_hour["in", bells()[0].begins // 60 - 1] > 0.85 * arrived
    assert sum(by_hour["out", hour] for hour in range(11, 16)) > 0.85 * arrived
    assert not any(minute_of_day(reading["ts"]) < 6 * 60 for _, _, reading in passages)


def test_on_sunday_nobody_goes_to_school_and_no_ticket_is_opened(readings):
    days = {
        name: {weekday(local_day(reading["ts"])) for _, _, reading in of_type(readings, name)}
        for name in ("passage", "ticket")
    }
    assert days == {"passage": set(range(6)), "ticket": set(range(6))}
    assert SUNDAY == 6


def test_whoever_goes_in_goes_out_again_on_the_same_day():
    # in the school's own plan: a camera that falls silent misses passages
    school = School(1, "school-59", 2)
    for door in school.doors:
        door.begin(day_start_ms(MONDAY))
    steps = defaultdict(list)
    for door in school.doors:
        while door.next_ms() < day_start_ms(MONDAY + 1):
            event = door.pop()
            fields = json.loads("{" + event.fields + "}")
            steps[fields["person"]].append((event.ts_ms, fields["direction"]))
    assert len(steps) > 180
    for found in steps.values():
        ways = [way for _, way in sorted(found)]
        assert ways == ["in", "out"] * (len(ways) // 2)


def test_persons_are_obviously_synthetic_and_fever_is_rare(readings):
    passages = [reading for _, _, reading in of_type(readings, "passage")]
    assert all(one["person"].startswith("person-school-59-") for one in passages)
    celsius = [one["body_celsius"] for one in passages if "body_celsius" in one]
    assert mean(celsius) == pytest.approx(36.6, abs=0.05)
    assert 0 < sum(value > 37.2 for value in celsius) < 0.01 * len(celsius)


def test_tickets_go_through_their_steps_mostly_within_fifteen_minutes(readings):
    steps: dict[str, dict[str, int]] = defaultdict(dict)
    for _, _, reading in of_type(readings, "ticket"):
        steps[reading["ticket"]][reading["event"]] = reading["ts"]
    ended = [life for life in steps.values() if {"opened", "called", "closed"} <= life.keys()]
    assert len(ended) > 300
    assert all(one["opened"] < one["called"] < one["closed"] for one in ended)
    quick = sum(one["closed"] - one["opened"] <= 15 * MINUTE_MS for one in ended)
    assert 0.8 < quick / len(ended) < 0.99
    given_up = [one for one in steps.values() if "abandoned" in one]
    assert 0 < len(given_up) < 0.1 * len(steps)
    assert not any("called" in one for one in given_up)


def test_the_four_contracts_are_asked_for_most_among_over_150_services(readings):
    counts = Counter(reading["service"] for _, _, reading in of_type(readings, "ticket"))
    assert {name for name, _ in counts.most_common(4)} == {"water", "heat", "power", "waste"}
    assert len(SERVICES) > 150
    assert len(counts) > 40


def test_a_stop_is_full_in_the_rush_hour_and_its_air_follows(readings):
    air = [reading for site, _, reading in of_type(readings, "air") if site == "stop-07"]

    def at(hour: int, field: str) -> float:
        return mean(
            one[field]
            for one in air
            if minute_of_day(one["ts"]) // 60 == hour and weekday(local_day(one["ts"])) < 5
        )

    assert at(8, "people") > 5 * at(3, "people") + 1
    assert at(8, "co2_ppm") > at(3, "co2_ppm") + 50
    assert at(8, "pm25_ugm3") > at(3, "pm25_ugm3") + 5


def test_a_street_camera_sees_less_at_night_and_its_frames_are_fewer(readings):
    scenes = [reading for site, _, reading in of_type(readings, "scene") if site == "street-03"]
    by_hour = defaultdict(list)
    for one in scenes:
        by_hour[minute_of_day(one["ts"]) // 60].append(one)
    for field in ("people", "vehicles", "fps", "bitrate_kbps"):
        noon, night = (mean(one[field] for one in by_hour[hour]) for hour in (13, 3))
        assert noon > 1.3 * night, field


def test_a_device_that_restarts_counts_from_zero_again_with_the_same_boot(readings):
    restarts = 0
    seqs: dict[tuple[str, str], int] = {}
    for site, device, reading in readings:
        before = seqs.get((site, device), -1)
        restarted = reading["seq"] == 0 and before >= 0
        # numbers of readings with a wrong clock, which are left out here, may stand between
        assert restarted or reading["seq"] > before
        assert reading["boot"] == START_US // 1_000_000
        restarts += restarted
        seqs[site, device] = reading["seq"]
    assert restarts > 0


def test_some_devices_fall_silent_for_an_hour_and_some_say_that_they_are_offline(messages):
    times: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        if message.meant == "valid" and "/thermometer/" in message.topic:
            times[message.topic].append(json.loads(message.payload)["ts"])
    longest = [max(b - a for a, b in itertools.pairwise(one)) for one in times.values()]
    assert max(longest) > 35 * MINUTE_MS
    assert min(longest) < 11 * MINUTE_MS
    states = Counter(
        json.loads(message.payload)["state"] for message in messages if message.meant == "status"
    )
    assert states["offline"] > 0
    assert abs(states["offline"] - states["online"]) <= 1


def test_a_wrong_clock_is_far_off_for_a_while(messages):
    wrong = [message for message in messages if message.meant == "wrong_clock"]
    assert len(wrong) > 10
    assert len({message.topic for message in wrong}) < 15


def test_spells_come_as_often_as_asked_and_last_as_long():
    spells = Spells(1, "x", a_day=0.5, minutes=(10, 20))
    found = [spell for day in range(MONDAY, MONDAY + 400) for spell in spells.of_day(day)]
    assert 150 < len(found) < 250
    assert all(10 <= (one.ends_ms - one.begins_ms) / MINUTE_MS <= 20 for one in found)
    middle = (found[0].begins_ms + found[0].ends_ms) // 2
    assert spells.at(middle) == found[0]
    assert spells.at(found[0].ends_ms) != found[0]


def test_summer_is_warmer_than_winter_and_noon_lighter_than_midnight():
    weather = Weather(1)
    noons = [weather.day(day).celsius[13 * 60] for day in range(MONDAY, MONDAY + 365, 5)]
    assert min(noons) < -8
    assert max(noons) > 25
    day = weather.day(MONDAY)
    assert day.light[0] == 0 < day.light[12 * 60 + 30] <= 1


def test_a_filter_wears_for_weeks_and_is_changed():
    quiet = Spells(1, "none", a_day=0, minutes=(1, 2))
    source = Ionizer(Weather(1), Stop(Noise(1, "s")), Noise(1, "i"), quiet, quiet, 0)
    samples = [
        json.loads("{" + source.draw(day_start_ms(MONDAY + day))[1] + "}") for day in range(200)
    ]
    hours = [one["filter_hours"] for one in samples]
    changes = [place for place, (a, b) in enumerate(itertools.pairwise(hours)) if b < a]
    assert len(changes) in {1, 2}
    place = changes[0]
    assert hours[place] > 4000
    assert hours[place + 1] <= 24
    assert samples[place]["efficiency_pct"] < samples[place + 1]["efficiency_pct"]


def test_ozone_surges_over_its_limit_and_ionization_dips_under_it():
    never = Spells(1, "none", a_day=0, minutes=(1, 2))
    often = Spells(1, "often", a_day=1, minutes=(10, 11))
    for field, dips, surges, limit in (
        ("ozone_ugm3", never, often, 100), ("efficiency_pct", often, never, -99.9),
    ):  # fmt: skip
        source = Ionizer(Weather(1), Stop(Noise(1, "s")), Noise(1, "i"), dips, surges, 0)
        spell = often.of_day(MONDAY)[0]
        inside, before = (
            json.loads("{" + source.draw(ms)[1] + "}")[field]
            for ms in (spell.ends_ms - 1000, spell.begins_ms - 60_000)
        )
        sign = 1 if limit > 0 else -1
        assert sign * inside > limit > sign * before


def test_a_covered_camera_says_so_and_sees_nobody():
    spells = {
        "tamper": Spells(1, "t", a_day=1, minutes=(5, 6)),
        "slow": Spells(1, "s", a_day=0, minutes=(5, 6)),
    }
    camera = Camera(Weather(1), Noise(1, "c"), lambda _: 9.0, vehicles=5.0, spells=spells)
    spell = spells["tamper"].of_day(MONDAY)[0]
    covered, free = (
        json.loads("{" + camera.draw(ms)[1] + "}") for ms in (spell.begins_ms, spell.ends_ms)
    )
    assert (covered["tamper"], covered["people"], covered["vehicles"]) == (True, 0, 0)
    assert (free["tamper"], free["people"]) == (False, 9)


def test_a_camera_fills_its_storage_over_days_until_it_is_freed(readings):
    free = [
        r["storage_free_pct"]
        for site, device, r in of_type(readings, "scene")
        if (site, device) == ("street-03", "cam-01")
    ]
    assert any(b > a + 50 for a, b in itertools.pairwise(free))
    falls = sum(b <= a for a, b in itertools.pairwise(free))
    assert falls >= len(free) - 3


def test_a_thermometer_that_drifts_is_off_by_degrees_until_it_is_calibrated():
    weather, noise = Weather(1), Noise(1, "t")
    right, wrong = (Thermometer(weather, noise, "room", drifts=drifts) for drifts in (False, True))
    off = [
        json.loads("{" + wrong.draw(ts)[1] + "}")["celsius"]
        - json.loads("{" + right.draw(ts)[1] + "}")["celsius"]
        for ts in range(day_start_ms(MONDAY), day_start_ms(MONDAY + 48), DAY_MS // 2)
    ]
    assert max(off) > 2.5
    assert min(off) < 0.2
    assert sum(b < a for a, b in itertools.pairwise(off)) == 2
