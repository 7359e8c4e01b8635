"""A stage that has nothing to ask of Kafka says all the same when Kafka does not answer."""

from __future__ import annotations

from infra.native import free_port
from schemas.connections import KafkaConnection
from schemas.kafka_watch import PART, watched_kafka
from schemas.readiness import Readiness
from tests.support.influx_sinks import is_
from tests.support.servers import RunningServer
from tests.support.waiting import eventually


async def test_a_kafka_that_hangs_is_said_and_its_return_too(
    kafka: RunningServer, kafka_connection: KafkaConnection
) -> None:
    readiness = Readiness()
    async with watched_kafka(kafka_connection, readiness, every_s=0.1):
        kafka.pause()
        try:
            await eventually(
                lambda: is_("cannot be reached" in readiness.reasons.get(PART, "")), timeout_s=40
            )
        finally:
            kafka.resume()
        await eventually(lambda: is_(readiness.ready), timeout_s=40)


async def test_an_address_at_which_nobody_listens_is_said_with_its_name() -> None:
    readiness = Readiness()
    nobody = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    async with watched_kafka(nobody, readiness, every_s=0.1):
        await eventually(lambda: is_(nobody.bootstrap in readiness.reasons.get(PART, "")))
        assert not readiness.ready
