"""Alerts from real Kafka into captured webhooks: each once in every channel."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from schemas.connections import KafkaConnection
from schemas.readiness import Readiness
from schemas.records import decode_receipt, encode
from schemas.topics import ALERTS, CHAT
from sinks import ChatSinkSettings, read_compacted, run_chat_sink
from sinks.messages import POSSIBLE_REPEAT
from tests.support.chat_sinks import end_of_alerts, firing, places, resolved, running, tell
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120)


async def _is(value: bool) -> bool:
    return value


async def test_an_alert_fires_once_and_resolves_once_in_every_channel(stack, producer, webhooks):
    alert = firing("once")
    pending = msgspec.structs.replace(alert, state="pending", fired=False, ordinal=0)
    calm = firing("calm", state="resolved", fired=False)
    async with running(stack.kafka_connection, *(one.url for one in webhooks)):
        await tell(producer, pending, alert, alert, calm, resolved(alert), firing("last"))
        await eventually(lambda: _is(all(one.titles("last") for one in webhooks)))
    for one in webhooks:
        assert one.titles("once") == ["[critical] FIRING once", "[critical] RESOLVED once"]
        assert one.titles("calm") == []
        first, second = (told["message"] for told in one.told if told["title"].endswith("once"))
        for part in ("Ozone 120 µg/m³ (1)", "stop-1", "ion-1", "once-1:firing:1"):
            assert part in first
        assert second.startswith("Ozone 88")


async def test_a_restart_tells_nothing_again_even_where_offsets_were_lost(
    stack, producer, webhooks
):
    one, _ = webhooks
    async with running(stack.kafka_connection, one.url):
        await tell(producer, firing("again"))
        await eventually(lambda: _is(bool(one.titles("again"))))
    # Another group has no offsets and reads the alerts again: receipts alone hold it back.
    async with running(stack.kafka_connection, one.url, group="without-offsets"):
        await tell(producer, firing("later"))
        await eventually(lambda: _is(bool(one.titles("later"))))
    assert one.titles("again") == ["[critical] FIRING again"]


async def test_receipts_name_the_channel_without_its_url(stack, producer, webhooks):
    one, _ = webhooks
    async with running(stack.kafka_connection, one.url):
        await tell(producer, firing("receipt"))
        await eventually(lambda: _is(bool(one.titles("receipt"))))
    records = await read_compacted(stack.kafka_connection, CHAT)
    receipts = {key: decode_receipt(record.value) for key, record in records.items()}
    (key,) = [key for key, receipt in receipts.items() if receipt.alert == "receipt-1"]
    channel = receipts[key].channel
    assert key.decode() == f"{channel}/receipt-1:firing:1"
    assert channel.startswith("json-")
    assert not any(b"made-up-token" in record.value + key for key, record in records.items())


async def test_a_channel_that_is_down_stops_no_other_and_gets_everything_later_in_order(
    stack, producer, webhooks
):
    well, ill = webhooks
    ill.status = 503
    alerts = [firing("down", number) for number in range(5)]
    async with running(stack.kafka_connection, well.url, ill.url) as (readiness, _):
        await tell(producer, *alerts)
        await eventually(lambda: _is(len(well.titles("down")) == 5 and ill.asked > 2))
        assert ill.told == []
        assert any(part.startswith("chat json-") for part in readiness.reasons)
        ill.status = 200
        await eventually(lambda: _is(len(ill.titles("down")) == 5))
        await eventually(lambda: _is(readiness.ready))
    assert not any(POSSIBLE_REPEAT in told["message"] for told in (*ill.told, *well.told))
    assert [told["message"].splitlines()[0] for told in ill.told] == [a.summary for a in alerts]


async def test_each_channel_has_its_own_place_in_the_alerts_while_one_is_away(
    stack, producer, webhooks
):
    well, ill = webhooks
    async with running(stack.kafka_connection, well.url, ill.url) as (readiness, _):
        await tell(producer, firing("place"))
        await eventually(lambda: _is(bool(well.titles("place") and ill.titles("place"))))
        before = await end_of_alerts(stack)
        await eventually(lambda: places(stack, well, ill), lambda two: two == [before, before])
        ill.status = 503
        await tell(producer, *(firing("place", number) for number in range(2, 12)))
        await eventually(lambda: places(stack, well), lambda one: one == [before + 10])
        assert await places(stack, ill) == [before]
        assert any(part.startswith("chat json-") for part in readiness.reasons)
        ill.status = 200
        await eventually(lambda: places(stack, ill), lambda one: one == [before + 10])
    assert len(ill.titles("place")) == len(well.titles("place")) == 11


async def test_a_channel_whose_memory_is_full_holds_back_no_other(stack, producer, webhooks):
    well, ill = webhooks
    ill.status = 503
    alerts = [firing("full", number) for number in range(30)]
    async with running(stack.kafka_connection, well.url, ill.url, waiting_messages=3):
        await tell(producer, *alerts)
        await eventually(lambda: _is(len(well.titles("full")) == len(alerts)))
        assert ill.told == []
        ill.status = 200
        await eventually(lambda: _is(len(ill.titles("full")) == len(alerts)))
    assert [told["message"].splitlines()[0] for told in ill.told] == [a.summary for a in alerts]


async def test_a_message_without_an_answer_is_told_again_as_a_possible_repeat(
    stack, producer, webhooks
):
    one, _ = webhooks
    settings = {"send_timeout_s": 0.5}
    async with running(stack.kafka_connection, one.url, **settings):
        one.open.clear()
        await tell(producer, firing("unanswered"))
        await eventually(lambda: _is(one.asked == 1))
        await eventually(lambda: _is(one.asked >= 2))
        one.open.set()
        await tell(producer, firing("later-on"))
        await eventually(lambda: _is(bool(one.titles("later-on"))))
    told = [entry["message"] for entry in one.told if entry["title"].endswith("unanswered")]
    assert told
    assert all("id: unanswered-1:firing:1" in message for message in told)
    assert all(POSSIBLE_REPEAT in message for message in told[1:])
    assert POSSIBLE_REPEAT not in next(
        entry["message"] for entry in one.told if entry["title"].endswith("later-on")
    )


async def test_a_message_that_was_being_sent_when_the_sink_died_is_told_as_a_possible_repeat(
    stack, producer, webhooks
):
    one, _ = webhooks
    one.open.clear()
    task = asyncio.create_task(_until_killed(stack.kafka_connection, one.url))
    await tell(producer, firing("killed"))
    await eventually(lambda: _is(one.asked == 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    one.open.set()
    async with running(stack.kafka_connection, one.url):
        await eventually(lambda: _is(any(POSSIBLE_REPEAT in t["message"] for t in one.told)))


async def _until_killed(kafka: KafkaConnection, url: SecretStr) -> None:
    """The sink until it is cancelled wherever it stands: nothing is finished or written down."""
    settings = ChatSinkSettings(urls=[url], drain_s=0)
    await run_chat_sink(
        settings,
        kafka=kafka,
        readiness=Readiness(),
        registry=CollectorRegistry(),
        stop=asyncio.Event(),
    )


async def test_a_process_killed_between_messages_tells_the_rest_and_marks_the_one_it_was_sending(
    stack, producer, webhooks
):
    one, _ = webhooks
    environ = {"QALA_CHAT_URLS": one.url.get_secret_value()}
    killed = await stack.run("sink", "chat", name="chat-killed", **environ)
    await tell(producer, firing("sigkill", 1))
    await eventually(lambda: _is(bool(one.titles("sigkill"))), timeout_s=60)
    one.open.clear()
    asked = one.asked
    await tell(producer, firing("sigkill", 2), firing("sigkill", 3))
    await eventually(lambda: _is(one.asked == asked + 1))
    await killed.kill()
    one.open.set()
    again = await stack.run("sink", "chat", name="chat-again", **environ)
    await eventually(lambda: _is(any("(3)" in told["message"] for told in one.told)), timeout_s=60)
    assert await again.stop() == 0, again.died()
    told = [
        (told["message"].splitlines()[0][-3:], POSSIBLE_REPEAT in told["message"])
        for told in one.told
        if told["title"].endswith("sigkill")
    ]
    assert told == [("(1)", False), ("(2)", False), ("(2)", True), ("(3)", False)]


async def test_what_a_channel_missed_is_told_after_a_restart_and_to_it_alone(
    stack, producer, webhooks
):
    well, ill = webhooks
    ill.status = 503
    async with running(stack.kafka_connection, well.url, ill.url, drain_s=0.1):
        await tell(producer, firing("missed"))
        await eventually(lambda: _is(bool(well.titles("missed")) and ill.asked > 0))
    ill.status = 200
    async with running(stack.kafka_connection, well.url, ill.url):
        await eventually(lambda: _is(bool(ill.titles("missed"))))
        await tell(producer, firing("done"))
        await eventually(lambda: _is(bool(well.titles("done") and ill.titles("done"))))
    assert len(well.titles("missed")) == len(ill.titles("missed")) == 1


async def test_an_alert_that_fires_again_at_once_is_told_again(stack, producer, webhooks):
    one, _ = webhooks
    first = firing("refire", ordinal=0)
    end = msgspec.structs.replace(first, state="resolved", ordinal=1)
    again = msgspec.structs.replace(first, ordinal=2)
    async with running(stack.kafka_connection, one.url):
        await tell(producer, first, end, again, firing("refired"))
        await eventually(lambda: _is(bool(one.titles("refired"))))
    states = [title.split()[1] for title in one.titles("refire")]
    assert states == ["FIRING", "RESOLVED", "FIRING"]


async def test_a_sending_in_progress_at_a_stop_is_finished_and_not_repeated(
    stack, producer, webhooks
):
    one, _ = webhooks
    async with running(stack.kafka_connection, one.url):
        one.open.clear()
        await tell(producer, firing("slow"))
        await eventually(lambda: _is(one.asked == 1))
        asyncio.get_running_loop().call_later(1.0, one.open.set)
    async with running(stack.kafka_connection, one.url):
        await tell(producer, firing("slow-done"))
        await eventually(lambda: _is(bool(one.titles("slow-done"))))
    assert one.titles("slow") == ["[critical] FIRING slow"]


async def test_what_waits_while_a_second_copy_joins_is_told_once(stack, producer, webhooks):
    one, _ = webhooks
    one.status = 503
    alerts = [firing("shared", number) for number in range(16)]
    async with running(stack.kafka_connection, one.url) as (_, first):
        for alert in alerts:
            await producer.send_and_wait(ALERTS, encode(alert), key=alert.id.encode())
        await eventually(
            lambda: _is(first.get_sample_value("qala_sink_chat_received_total") == len(alerts))
        )
        async with running(stack.kafka_connection, one.url) as (_, second):
            await eventually(
                lambda: _is((second.get_sample_value("qala_sink_chat_received_total") or 0) > 0)
            )
            one.status = 200
            await eventually(lambda: _is(len(one.titles("shared")) >= len(alerts)))
            await tell(producer, firing("shared-done"))
            await eventually(lambda: _is(bool(one.titles("shared-done"))))
    told = sorted(
        entry["message"].splitlines()[0]
        for entry in one.told
        if "shared-done" not in entry["title"]
    )
    assert told == sorted(alert.summary for alert in alerts)


async def test_a_stop_ends_while_kafka_is_away_and_a_receipt_cannot_be_written(
    stack, producer, webhooks
):
    one, _ = webhooks
    try:
        async with asyncio.timeout(60), running(stack.kafka_connection, one.url):
            one.open.clear()
            await tell(producer, firing("no-receipt"))
            await eventually(lambda: _is(one.asked == 1))
            await stack.kafka.stop()
            one.open.set()
            await eventually(lambda: _is(bool(one.titles("no-receipt"))))
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 20
    finally:
        await stack.kafka.start()


async def test_a_channel_that_is_new_begins_where_the_others_are(stack, producer, webhooks):
    other, one = webhooks
    async with running(stack.kafka_connection, other.url):
        await tell(producer, firing("old"))
        await eventually(lambda: _is(bool(other.titles("old"))))
    async with running(stack.kafka_connection, one.url) as (readiness, _):
        await eventually(lambda: _is(readiness.ready))
        await tell(producer, firing("new"))
        await eventually(lambda: _is(bool(one.titles("new"))))
    assert one.titles("old") == []


async def test_without_a_url_alerts_go_to_the_file(stack, producer, tmp_path: Path):
    file = tmp_path / "chat" / "messages.ndjson"
    async with running(stack.kafka_connection, folder=file.parent, group="file"):
        await tell(producer, firing("to-file"))

        async def told() -> list[str]:
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            return [json.loads(line)["title"] for line in text.splitlines()]

        await eventually(told, lambda titles: "[critical] FIRING to-file" in titles)


async def test_a_record_that_is_no_alert_is_rejected_and_the_next_is_told(
    stack, producer, webhooks
):
    one, _ = webhooks
    async with running(stack.kafka_connection, one.url) as (_, registry):
        await producer.send_and_wait(ALERTS, b"{}", key=b"bad", partition=0)
        await tell(producer, firing("after-bad"))
        await eventually(lambda: _is(bool(one.titles("after-bad"))))
        assert registry.get_sample_value("qala_sink_chat_rejected_total") == 1
