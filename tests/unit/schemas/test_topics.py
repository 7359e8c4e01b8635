"""MQTT topics, and the partition of a site."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.deadletters import Reason
from schemas.errors import TopicError
from schemas.topics import (
    ALL_TOPICS,
    CHANNELS,
    KINDS,
    is_id,
    mqtt_topic,
    parse_mqtt_topic,
    partition_of,
)

IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


def crc32_bit_by_bit(data: bytes) -> int:
    """CRC-32 (IEEE 802.3) from its definition: reflected polynomial 0xEDB88320."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@given(IDS, st.sampled_from(KINDS), IDS, st.sampled_from(CHANNELS))
def test_a_topic_that_was_written_is_read_back(site, kind, device, channel):
    assert parse_mqtt_topic(mqtt_topic(site, kind, device, channel)) == (
        site,
        kind,
        device,
        channel,
    )


@pytest.mark.parametrize(
    "text", ["a", "0", "stop-1", "a-", "a--b", "7" * 63, "a" + "-" * 62], ids=lambda text: text[:9]
)
def test_an_id_is_1_to_63_of_its_letters(text):
    assert is_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "-a", "A", "a_b", "a b", "a.b", "a" * 64, "ä", "a\n", "a\x00", "a/b", "+", "#", "٣"],
    ids=repr,
)
def test_anything_else_is_no_id(text):
    assert not is_id(text)


@pytest.mark.parametrize(
    "topic, reason",
    [
        ("qala/v1/stop-1/ionizer/ion-1", Reason.TOPIC_SHAPE),
        ("qala/v1/stop-1/ionizer/ion-1/telemetry/more", Reason.TOPIC_SHAPE),
        ("qala/v2/stop-1/ionizer/ion-1/telemetry", Reason.TOPIC_SHAPE),
        ("/qala/v1/stop-1/ionizer/ion-1/telemetry", Reason.TOPIC_SHAPE),
        ("Qala/v1/stop-1/ionizer/ion-1/telemetry", Reason.TOPIC_SHAPE),
        ("", Reason.TOPIC_SHAPE),
        ("qala/v1//ionizer/ion-1/telemetry", Reason.TOPIC_ID),
        ("qala/v1/Stop/ionizer/ion-1/telemetry", Reason.TOPIC_ID),
        ("qala/v1/stop-1/ionizer/ion_1/telemetry", Reason.TOPIC_ID),
        ("qala/v1/stop-1/ionizer/ion-1\n/telemetry", Reason.TOPIC_ID),
        ("qala/v1/stop-1/toaster/ion-1/telemetry", Reason.TOPIC_KIND),
        ("qala/v1/stop-1/ionizer/ion-1/command", Reason.TOPIC_CHANNEL),
        ("qala/v1/stop-1/ionizer/ion-1/telemetry\n", Reason.TOPIC_CHANNEL),
        ("qala/v1/stop-1/ionizer/ion-1/", Reason.TOPIC_CHANNEL),
    ],
)
def test_a_topic_of_another_shape_is_refused_with_its_reason(topic, reason):
    with pytest.raises(TopicError) as refused:
        parse_mqtt_topic(topic)
    assert refused.value.reason == reason


def test_a_refusal_never_quotes_the_topic():
    with pytest.raises(TopicError) as refused:
        parse_mqtt_topic("qala/v1/Example-Person-1/camera/Example-Person-1/telemetry")
    assert "Person" not in str(refused.value)


def test_the_partition_follows_the_check_value_of_crc_32():
    assert partition_of("123456789", 2**32) == 0xCBF43926
    assert partition_of("123456789", 8) == 0xCBF43926 % 8
    assert partition_of("a", 2**32) == 0xE8B7BE43


@given(st.text(max_size=80), st.integers(1, 64))
def test_the_partition_of_a_site_is_crc_32_of_its_utf_8_mod_the_count(site, partitions):
    assert partition_of(site, partitions) == crc32_bit_by_bit(site.encode()) % partitions


def test_the_topics_of_the_contract_are_all_there():
    assert set(ALL_TOPICS) == {
        "qala.telemetry.v1",
        "qala.rollups.v1",
        "qala.alerts.v1",
        "qala.devices.v1",
        "qala.commands.v1",
        "qala.dead-letters.v1",
        "qala.state.v1",
        "qala.chat.v1",
    }
