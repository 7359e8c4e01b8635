from __future__ import annotations

from msgspec.structs import replace

from infra.doctor.ask_machine import broker_conf
from infra.doctor.ask_mqtt import DROPPED, BrokerSeen
from infra.doctor.finding import Away, Finding
from infra.doctor.judge_mqtt import judge_mqtt
from infra.doctor.mqtt_trial import TrialSeen
from ingest.errors import MqttError
from schemas.connections import MqttConnection

WEEK_S = 7 * 86_400
WELL = BrokerSeen(
    user="bridge",
    max_qos=2,
    retain=True,
    shared=True,
    wildcard=True,
    session_expiry_s=None,
    sys={"version": "mosquitto version 2.0.18"},
    claims=(),
    trial=TrialSeen(sent=1100, kept=1100, window=1100),
)
CONF = {"persistence": "true", "max_queued_messages": "1000000"}


def judged(seen: BrokerSeen | Away = WELL, conf=CONF, **changes) -> dict[str, Finding]:
    seen = replace(seen, **changes) if changes else seen
    found = judge_mqtt(seen, conf, address="mqtt://broker:1883", session_expiry_s=WEEK_S)
    return {finding.check: finding for finding in found}


def trial(**changes) -> TrialSeen:
    return replace(WELL.trial, **changes)


def test_broker_as_qala_runs_it_is_in_order():
    assert {finding.state for finding in judged().values()} == {"ok"}
    assert "1 000 000 messages" in judged()["queue limit"].what


def test_broker_that_is_away_is_told_with_where_it_is_set():
    away = Away.told(
        MqttError("the MQTT broker at x cannot be reached (Connection refused); is it running?"),
        "QALA_MQTT_URL",
    )
    found = judged(away)
    assert list(found) == ["answers"]
    assert found["answers"].state == "problem"
    assert found["answers"].what == "the MQTT broker at x cannot be reached (Connection refused)"
    assert "QALA_MQTT_URL" in str(found["answers"].mend)


def test_a_refusal_keeps_the_mend_that_the_error_names():
    away = Away.told(MqttError("it refused; check the password"), "QALA_MQTT_URL")
    assert away == Away("it refused", "check the password")


def test_a_trial_tells_the_least_that_is_kept_and_not_the_limit():
    found = judged(conf=None)["queue limit"]
    assert found.state == "unknown"
    assert "at least 1 100 messages" in found.what
    assert "what is beyond is not known" in found.what
    assert "max_queued_messages 1000000" in str(found.mend)


def test_a_limit_in_the_configuration_is_judged_beyond_what_was_tried():
    short = judged(conf=CONF | {"max_queued_messages": "1200"})["queue limit"]
    assert (short.state, "1 200 messages" in short.what) == ("warning", True)
    none = judged(conf=CONF | {"max_queued_messages": "0"})["queue limit"]
    assert (none.state, "any number" in none.what) == ("ok", True)


def test_default_limits_are_problems_with_the_keys_to_set():
    found = judged(trial=trial(kept=1000, window=20))
    assert found["queue limit"].state == found["in flight"].state == "problem"
    assert "max_queued_messages 1000000" in str(found["queue limit"].mend)
    assert "max_inflight_messages 65535" in str(found["in flight"].mend)


def test_a_small_window_is_a_warning():
    assert judged(trial=trial(window=200))["in flight"].state == "warning"


def test_a_broker_that_refuses_the_trial_leaves_its_limits_unknown():
    found = judged(trial=TrialSeen(denied="qala/doctor/x"))
    assert found["queue limit"].state == "unknown"
    assert "qala/doctor/#" in str(found["queue limit"].mend)
    assert "in flight" not in found


def test_a_broker_that_keeps_nothing_is_a_problem_and_no_matter_of_rights():
    found = judged(trial=trial(kept=0, window=0))
    assert found["queue limit"].state == "problem"
    assert "is lost" in found["queue limit"].what
    assert "in flight" not in found


def test_a_payload_that_a_device_may_send_must_pass():
    found = judged(trial=trial(takes_largest=False))
    assert found["message size"].state == "problem"
    assert "message_size_limit" in str(found["message size"].mend)


def test_a_session_that_ends_early_is_a_problem_and_a_longer_one_is_not():
    assert judged(session_expiry_s=3600)["sessions"].state == "problem"
    assert judged(session_expiry_s=WEEK_S)["sessions"].state == "ok"


def test_what_the_broker_lacks_is_listed():
    found = judged(shared=False, max_qos=0)
    assert "no QoS 1 and no shared subscriptions" in found["abilities"].what
    assert found["abilities"].state == "problem"


def test_versions_are_told_apart():
    def version(said: str) -> str:
        return judged(sys={"version": said})["version"].state

    assert version("mosquitto version 1.6.12") == "problem"
    assert version("mosquitto version 2.1.0") == "ok"
    assert version("another broker 5") == "unknown"
    assert judged(sys={})["version"].state == "unknown"


def test_dropped_messages_are_a_warning_while_they_are_fresh():
    assert judged(sys=WELL.sys | {DROPPED: "3.27"})["dropped"].state == "warning"
    assert judged(sys=WELL.sys | {DROPPED: "0.00"})["dropped"].state == "ok"
    assert "dropped" not in judged(sys={})


def test_persistence_is_known_only_of_our_own_broker():
    assert judged(conf=None)["persistence"].state == "unknown"
    assert judged(conf={"persistence": "false"})["persistence"].state == "problem"


def test_configuration_is_read_where_the_port_is_that_of_our_broker(tmp_path):
    (tmp_path / "mosquitto").mkdir()
    file = tmp_path / "mosquitto" / "mosquitto.conf"
    file.write_text("# ours\nlistener 1884 127.0.0.1\npersistence true\n", encoding="utf-8")
    ours = MqttConnection(url="mqtt://127.0.0.1:1884")
    assert broker_conf(tmp_path, ours) == {"listener": "1884 127.0.0.1", "persistence": "true"}
    assert broker_conf(tmp_path, MqttConnection(url="mqtt://127.0.0.1:1883")) is None
    assert broker_conf(tmp_path, MqttConnection(url="mqtt://elsewhere:1884")) is None
    assert broker_conf(tmp_path / "empty", ours) is None
