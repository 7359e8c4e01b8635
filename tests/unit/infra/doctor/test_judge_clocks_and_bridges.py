from __future__ import annotations

import pytest
from msgspec.structs import replace

from infra.doctor.ask_influx import InfluxSeen
from infra.doctor.ask_mqtt import RETAINED, STORED, BrokerSeen
from infra.doctor.finding import Away, Finding
from infra.doctor.judge_bridges import absent_bridges, judge_bridges, waiting_messages
from infra.doctor.judge_clocks import judge_clocks
from infra.doctor.watch_log import BridgeHeard, LogWatched
from tests.unit.infra.doctor.test_judge_influx import WELL as INFLUX
from tests.unit.infra.doctor.test_judge_mqtt import WELL as MQTT

ONE = BridgeHeard(id="1", quiet_ms=200, ahead_ms=-90)
LOG = LogWatched(bridges=(ONE,), moving=True, simulated=False, clock_ms=-4)
CLAIMED = replace(MQTT, claims=("qala-bridge-1",), sys=MQTT.sys | {STORED: "160", RETAINED: "150"})
AWAY = Away("it is away", "start it")


def clocks(
    log: LogWatched | None = LOG, influx: InfluxSeen | Away = INFLUX, *, synchronised=True
) -> dict[str, Finding]:
    found = judge_clocks(log, influx, synchronised=synchronised)
    return {finding.check: finding for finding in found if finding.state != "ok"}


def bridges(broker: BrokerSeen | Away = CLAIMED, log: LogWatched | None = LOG) -> list[Finding]:
    return [finding for finding in judge_bridges(broker, log) if finding.state != "ok"]


def test_clocks_that_agree_are_in_order():
    assert clocks() == {}


def test_one_server_that_is_off_is_the_one_to_mend():
    found = clocks(replace(LOG, clock_ms=5000))
    assert list(found) == ["Kafka"]
    assert "5.0 s ahead of this machine's" in found["Kafka"].what
    assert "Kafka's machine" in str(found["Kafka"].mend)


def test_both_servers_off_by_the_same_are_this_machines_clock():
    found = clocks(replace(LOG, clock_ms=-5004), replace(INFLUX, clock_ms=(-5999, -4900)))
    assert set(found) == {"Kafka", "InfluxDB"}
    assert all("the clock of this machine" in str(f.mend) for f in found.values())


def test_servers_off_in_different_directions_are_each_their_own():
    found = clocks(replace(LOG, clock_ms=9000), replace(INFLUX, clock_ms=(-9999, -8900)))
    assert "Kafka's machine" in str(found["Kafka"].mend)
    assert "InfluxDB's machine" in str(found["InfluxDB"].mend)


def test_a_date_of_whole_seconds_is_given_the_benefit_of_the_doubt():
    assert clocks(influx=replace(INFLUX, clock_ms=(-2700, -1700))) == {}
    assert clocks(influx=replace(INFLUX, clock_ms=(1700, 2700))) == {}
    assert "InfluxDB" in clocks(influx=replace(INFLUX, clock_ms=(2100, 3100)))


def test_without_records_kafkas_clock_is_unknown():
    assert clocks(replace(LOG, clock_ms=None))["Kafka"].state == "unknown"
    assert clocks(None)["Kafka"].state == "unknown"


def test_a_simulated_clock_is_not_compared():
    assert clocks(replace(LOG, simulated=True, clock_ms=None)) == {}


def of_bridge(**changes) -> Finding | None:
    return clocks(replace(LOG, bridges=(replace(ONE, **changes),))).get("bridge 1")


def test_a_bridge_ahead_is_a_problem():
    found = of_bridge(ahead_ms=5000)
    assert found is not None
    assert found.state == "problem"
    assert "5.0 s ahead of Kafka's" in found.what


@pytest.mark.parametrize(
    "ahead_ms, state, said",
    [
        (-1999, None, ""),
        (-2000, "warning", "more than 3.0 s ahead"),
        (-4900, "warning", "more than 0.1 s ahead"),
        (-5000, "problem", "believes no device's time"),
    ],
)
def test_a_bridge_behind_is_graded_by_what_it_does_not_believe(ahead_ms, state, said):
    found = of_bridge(ahead_ms=ahead_ms)
    assert (found and found.state) == state
    assert found is None or said in found.what


def test_the_clock_of_a_bridge_that_passed_nothing_on_is_unknown():
    found = of_bridge(ahead_ms=None)
    assert found is not None
    assert found.state == "unknown"
    assert of_bridge(ahead_ms=None, quiet_ms=10_001) is None  # it is away, which is told


def test_this_machines_own_word_on_its_clock_is_told():
    assert clocks(synchronised=False)["this machine"].state == "warning"
    assert clocks(synchronised=None)["this machine"].state == "unknown"


def test_a_bridge_that_ticks_is_in_order():
    assert bridges() == []


def test_a_claim_without_ticks_is_a_bridge_away_with_its_queue():
    broker = replace(
        CLAIMED, claims=("qala-bridge-1", "qala-bridge-north"), sys={STORED: "1562", RETAINED: "62"}
    )
    (found,) = bridges(broker)
    assert (found.check, found.state) == ("bridge north", "problem")
    assert "about 1 500 messages" in found.what
    assert "`qala bridge --id north`" in str(found.mend)
    assert "`qala bridge --adopt north`" in str(found.mend)


def test_what_a_forgotten_claim_costs_a_bridge_that_is_left_alone_is_said():
    forgotten = replace(CLAIMED, claims=("qala-bridge-1", "qala-bridge-2", "qala-bridge-test"))
    alone = {finding.check: finding.what for finding in bridges(forgotten)}
    assert set(alone) == {"bridge 2", "bridge test"}
    assert all("bridge 1, which else would be alone, shares" in what for what in alone.values())
    assert all("a restart of the broker loses" in what for what in alone.values())


def test_bridges_that_are_several_anyway_share_with_or_without_a_forgotten_claim():
    forgotten = replace(CLAIMED, claims=("qala-bridge-1", "qala-bridge-2", "qala-bridge-test"))
    (found,) = bridges(forgotten, replace(LOG, bridges=(ONE, replace(ONE, id="2"))))
    assert found.check == "bridge test"
    assert "shares" not in found.what
    (gone,) = bridges(log=replace(LOG, moving=False))
    assert "shares" not in gone.what


def test_a_bridge_that_has_fallen_silent_is_away():
    silent = replace(LOG, bridges=(ONE, replace(ONE, id="2", quiet_ms=10_001)))
    broker = replace(CLAIMED, claims=("qala-bridge-1", "qala-bridge-2"))
    assert absent_bridges(broker, silent) == {"2"}


def test_in_a_log_that_stands_still_every_bridge_is_away():
    (found,) = bridges(log=replace(LOG, moving=False))
    assert found.check == "bridge 1"


def test_a_queue_without_an_absent_bridge_is_a_warning():
    (found,) = bridges(replace(CLAIMED, sys={STORED: "5000", RETAINED: "62"}))
    assert (found.check, found.state) == ("queue", "warning")


def test_figures_that_mosquitto_has_forgotten_mean_that_no_queue_grows():
    assert bridges(replace(CLAIMED, sys=MQTT.sys)) == []
    (hidden,) = bridges(replace(CLAIMED, sys={}))
    assert (hidden.check, hidden.state) == ("queue", "unknown")


def test_bridges_without_claims_leave_others_unseen():
    (found,) = bridges(replace(CLAIMED, claims=()))
    assert (found.check, found.state) == ("absent", "unknown")
    (never,) = bridges(replace(CLAIMED, claims=()), replace(LOG, bridges=()))
    assert never.state == "warning"


def test_what_cannot_be_seen_of_bridges_is_unknown():
    assert [f.state for f in bridges(log=None)] == ["unknown"]
    assert [f.state for f in bridges(AWAY)] == ["unknown"]


def test_messages_that_wait_are_those_stored_and_not_retained():
    assert waiting_messages({STORED: "70", RETAINED: "60"}) == 10
    assert waiting_messages({STORED: "59", RETAINED: "60"}) == 0
    assert waiting_messages({STORED: "70"}) is None
