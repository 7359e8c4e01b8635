"""A byte stream becomes MQTT packets, however it is cut."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import MqttError, MqttRefusedError, SessionTakenOverError
from ingest.packets import (
    READ_BYTES,
    TOGETHER_BYTES,
    PacketBuffer,
    check_codes,
    check_connack,
    disconnect_error,
    packet_size,
)


def publish(payload: bytes, packet_id: int = 1) -> bytes:
    return mqtt5.PublishPacket(
        "a/b", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id
    ).write()


def feed(buffer: PacketBuffer, data: bytes) -> tuple[list[bytes], list[mqtt5.Packet]]:
    payloads: list[bytes] = []
    others: list[mqtt5.Packet] = []
    while data:
        part = data[: len(buffer.free)]
        buffer.free[: len(part)] = part
        buffer.take(
            len(part),
            lambda packets: payloads.extend(packet.payload for packet in packets),
            others.append,
        )
        data = data[len(part) :]
    return payloads, others


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(1, 60), max_size=20))
def test_packets_come_out_whole_however_the_stream_is_cut(payloads, cuts) -> None:
    stream = b"".join(publish(payload) for payload in payloads) + mqtt5.PingRespPacket().write()
    buffer = PacketBuffer()
    found: list[bytes] = []
    others: list[mqtt5.Packet] = []
    for cut in [*cuts, len(stream)]:
        part, stream = stream[:cut], stream[cut:]
        got, other = feed(buffer, part)
        found += got
        others += other
    assert found == payloads
    assert [type(packet) for packet in others] == [mqtt5.PingRespPacket]


def test_a_held_buffer_hands_out_nothing_keeps_everything_and_takes_more() -> None:
    buffer = PacketBuffer()
    payloads: list[bytes] = []

    def take(packets: Sequence[mqtt5.PublishPacket]) -> None:
        payloads.extend(packet.payload for packet in packets)
        buffer.held = len(payloads) == 2

    def give(data: bytes) -> None:
        buffer.free[: len(data)] = data
        buffer.take(len(data), take, print)

    first = [bytes([number]) * TOGETHER_BYTES for number in range(5)]
    give(b"".join(map(publish, first)))
    assert payloads == first[:2]
    for _ in range(3):  # as much as a read gives, each time
        assert len(buffer.free) >= READ_BYTES
        give(publish(b"x" * (READ_BYTES - 100)))
    assert len(payloads) == 2
    buffer.held = False
    buffer.take(0, take, print)
    assert payloads == [*first, *[b"x" * (READ_BYTES - 100)] * 3]
    give(publish(b"next")[:-1])
    assert len(buffer.free) <= READ_BYTES


def test_a_packet_larger_than_the_buffer_makes_it_grow_and_shrink_again() -> None:
    buffer = PacketBuffer()
    large = b"x" * (3 * READ_BYTES)
    payloads, _ = feed(buffer, publish(large) + publish(b"small"))
    assert payloads == [large, b"small"]
    feed(buffer, publish(b"next")[:-1])
    assert len(buffer.free) <= READ_BYTES


def test_what_came_together_is_handed_out_together_and_in_order() -> None:
    came: list[object] = []
    buffer = PacketBuffer()
    other = mqtt5.PingRespPacket().write()
    data = publish(b"1") + publish(b"2") + other + publish(b"3") + b"\x00\x00"
    buffer.free[: len(data)] = data
    with pytest.raises(MqttError, match="malformed"):
        buffer.take(
            len(data),
            lambda packets: came.append([packet.payload for packet in packets]),
            lambda packet: came.append(type(packet)),
        )
    assert came == [[b"1", b"2"], mqtt5.PingRespPacket, [b"3"]]


@pytest.mark.parametrize("junk", [b"\x00\x00", b"\x30\xff\xff\xff\xff\xff", b"\x30\x01\x00\x02"])
def test_what_is_not_mqtt_is_an_error(junk: bytes) -> None:
    with pytest.raises(MqttError, match="malformed"):
        feed(PacketBuffer(), junk)


def test_text_that_is_not_utf_8_is_an_error_though_the_library_panics(monkeypatch) -> None:
    # mqtt5 drops the decoder's error, which Python writes down, and panics for want of the text
    dropped: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: dropped.append(what.exc_value))
    buffer = PacketBuffer()
    with pytest.raises(MqttError, match="malformed"):
        feed(buffer, b"\x30\x06\x00\x02\xff\xfe\x00x")
    assert [type(error) for error in dropped] == [UnicodeDecodeError]
    assert feed(PacketBuffer(), publish(b"the next link works"))[0] == [b"the next link works"]


def test_a_size_that_is_only_promised_takes_no_memory() -> None:
    buffer = PacketBuffer()
    promise = b"\x30\xff\xff\xff\x7f\x00\x01a\x00"  # 256 MiB will follow, it says
    feed(buffer, promise)
    assert len(buffer.free) <= READ_BYTES
    feed(buffer, b"x" * READ_BYTES)
    assert len(buffer.free) <= READ_BYTES


def test_the_size_of_a_packet_is_known_from_its_first_bytes() -> None:
    for payload in (b"", b"x" * 200, b"x" * 20_000, b"x" * 3_000_000):
        packet = publish(payload)
        assert packet_size(packet[:5]) == len(packet)
    assert packet_size(b"\x30\xff") is None


def test_refusals_say_what_was_refused_and_whether_waiting_helps() -> None:
    with pytest.raises(MqttRefusedError, match=r"'a/#'.*0x87"):
        check_codes("subscription to", ["b/#", "a/#"], [1, 0x87])
    check_codes("subscription to", ["a/#"], [1])
    for code, retryable in (("SERVER_BUSY", True), ("NOT_AUTHORIZED", False)):
        packet = mqtt5.ConnAckPacket(reason_code=getattr(mqtt5.ConnAckReasonCode, code))
        with pytest.raises(MqttRefusedError, match=code) as caught:
            check_connack(packet, "bridge-1")
        assert caught.value.retryable is retryable


def test_a_takeover_is_told_apart_from_other_disconnects() -> None:
    codes = mqtt5.DisconnectReasonCode
    taken = disconnect_error(mqtt5.DisconnectPacket(reason_code=codes.SESSION_TAKEN_OVER), "b-1")
    assert isinstance(taken, SessionTakenOverError)
    assert "b-1" in str(taken)
    assert not taken.retryable
    other = disconnect_error(mqtt5.DisconnectPacket(reason_code=codes.SERVER_SHUTTING_DOWN), "b")
    assert other.retryable


def test_what_is_handed_out_counts_also_where_another_packet_ends_the_look() -> None:
    buffer = PacketBuffer()
    feed(buffer, mqtt5.PingRespPacket().write())
    assert buffer.handed_out == 0
    feed(buffer, publish(b"1") + mqtt5.PingRespPacket().write())
    feed(buffer, publish(b"2"))
    assert buffer.handed_out == 2
