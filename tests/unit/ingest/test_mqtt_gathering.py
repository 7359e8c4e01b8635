"""How a link looks into its socket: with little there, it waits a moment for more."""

import asyncio
from collections.abc import Sequence

import mqtt5
import pytest

from ingest.mqtt import MqttLink
from ingest.mqtt_options import MqttOptions
from ingest.packets import TOGETHER_BYTES
from tests.support.waiting import eventually

PINGREQ = b"\xc0\x00"


class Socket(asyncio.Transport):
    """The transport's side that a link turns on and off; what is written is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.pauses = 0
        self.pings = 0
        self.aborted = False

    def pause_reading(self) -> None:
        self.reading = False
        self.pauses += 1

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        """Into nothing."""
        self.pings += data.count(PINGREQ)

    def abort(self) -> None:
        self.aborted = True


def message(size: int = 10) -> bytes:
    packet = mqtt5.PublishPacket(
        "qala/v1/s/ionizer/i/telemetry", b"x" * size, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1
    )
    return packet.write()


def give(link: MqttLink, data: bytes) -> None:
    """What the event loop does with bytes that came."""
    link.get_buffer(-1)[: len(data)] = data
    link.buffer_updated(len(data))


@pytest.fixture
def taken() -> list[bytes]:
    return []


def linked(taken: list[bytes], gather_s: float, keep_alive_s: int = 0) -> tuple[MqttLink, Socket]:
    options = MqttOptions(client_id="c", gather_s=gather_s, keep_alive_s=keep_alive_s)
    link = MqttLink(
        options, lambda packets: taken.extend(packet.payload for packet in packets), None
    )
    socket = Socket()
    link.connection_made(socket)
    give(link, mqtt5.ConnAckPacket().write())
    assert link.connack.done()
    return link, socket


async def _reads(socket: Socket) -> bool:
    return socket.reading


async def test_after_little_the_socket_is_left_alone_for_a_moment(taken):
    link, socket = linked(taken, gather_s=0.005)
    await eventually(lambda: _reads(socket))
    give(link, message())
    assert taken == [b"x" * 10]
    assert not socket.reading
    await eventually(lambda: _reads(socket))


async def test_after_plenty_it_looks_again_at_once(taken):
    link, socket = linked(taken, gather_s=0.005)
    await eventually(lambda: _reads(socket))
    give(link, message(20_000))
    assert socket.reading


async def test_a_link_that_is_held_back_does_not_look_again_by_itself(taken):
    link, socket = linked(taken, gather_s=0.005)
    await eventually(lambda: _reads(socket))
    give(link, message())
    link.pause_receiving()
    await eventually(lambda: _gathered(link))
    assert not socket.reading
    link.resume_receiving()
    assert socket.reading


async def test_held_back_and_let_go_within_the_moment_it_still_looks_again(taken):
    link, socket = linked(taken, gather_s=0.005)
    await eventually(lambda: _reads(socket))
    give(link, message())
    link.pause_receiving()
    link.resume_receiving()
    await eventually(lambda: _reads(socket))


async def test_without_a_pause_asked_for_the_socket_is_never_left_alone(taken):
    link, socket = linked(taken, gather_s=0.0)
    give(link, message())
    assert socket.pauses == 0


async def _gathered(link: MqttLink) -> bool:
    return link._gathering is None


@pytest.mark.parametrize("gather_s", [0.0, 0.005])
async def test_a_link_that_is_paused_while_it_takes_keeps_the_rest_for_later(taken, gather_s):
    link, socket = linked(taken, gather_s)
    await eventually(lambda: _reads(socket))
    take = link._on_publish

    def take_some(packets: Sequence[mqtt5.PublishPacket]) -> None:
        take(packets)
        link.pause_receiving()

    link._on_publish = take_some
    size, more, most = range(TOGETHER_BYTES, TOGETHER_BYTES + 3)
    give(link, message(size) + message(more) + message(most)[:-1])
    assert [*map(len, taken)] == [size]
    assert not socket.reading
    link.resume_receiving()

    async def two() -> bool:
        return [*map(len, taken)] == [size, more]

    await eventually(two)
    assert not socket.reading
    link._on_publish = take
    link.resume_receiving()
    await eventually(lambda: _reads(socket))
    give(link, message(most)[-1:])
    assert [*map(len, taken)] == [size, more, most]


async def test_a_broker_whose_answers_were_not_read_is_not_taken_for_a_silent_one(taken):
    link, socket = linked(taken, gather_s=0.0, keep_alive_s=1)
    link.pause_receiving()
    await eventually(lambda: _pinged(socket, 3))
    link.resume_receiving()
    await eventually(lambda: _pinged(socket, 4))  # the first one that it could hear the answer to
    assert not socket.aborted
    await eventually(lambda: _aborted(socket))
    assert socket.pings == 4


async def _pinged(socket: Socket, times: int) -> bool:
    return socket.pings >= times


async def _aborted(socket: Socket) -> bool:
    return socket.aborted
