"""Records that Kafka has refused, brought in one at a time: whole, in parts, or as dead letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ingest.deadletters import dead_letter, shortened
from ingest.errors import KafkaFailedError
from ingest.lanes import Record
from ingest.persons import PersonKey
from ingest.refusals import empty, halves, is_refusal, refused_line
from schemas.topics import DEAD_LETTERS


class Careful:
    """Places refused records; ``deliver`` sends one and returns when it is in Kafka.

    ``letters`` is how many lines have become dead letters.
    """

    def __init__(
        self, deliver: Callable[[Record], Awaitable[object]], *, bridge: str, key: PersonKey
    ) -> None:
        """Begin without having placed any."""
        self._deliver = deliver
        self._bridge = bridge
        self._key = key
        self.letters = 0

    async def place(self, record: Record) -> None:
        """Bring ``record`` into Kafka, whatever it takes; of others its order is kept.

        Raises:
            KafkaFailedError: the topic takes nothing at all, so that it is not the record's fault.
            KafkaError: Kafka is away, or refuses for another reason than what the record holds.
        """
        try:
            await self._deliver(record)
        except Exception as exc:
            if not is_refusal(exc):
                raise
            await self._place_less(record, exc)

    async def _place_less(self, record: Record, why: Exception) -> None:
        if record.topic == DEAD_LETTERS:
            await self._shorten(record, why)
            return
        parts = halves(record.value, record.headers)
        for value, headers in parts:
            await self.place(Record(record.topic, record.partition, value, headers, []))
        if parts:
            return
        await self._see_that_it_takes_any(record, why)
        refused = refused_line(record.value)
        value, headers = dead_letter(
            refused.rejection,
            topic=refused.topic,
            rx_us=refused.rx_us,
            bridge=self._bridge,
            key=self._key,
        )
        await self.place(Record(DEAD_LETTERS, record.partition, value, headers, []))
        self.letters += 1

    async def _see_that_it_takes_any(self, record: Record, why: Exception) -> None:
        """A tick goes into a topic that takes anything: where it doesn't, no line is to blame."""
        if not record.value:
            raise _takes_nothing(record, why)
        tick = Record(record.topic, record.partition, b"", empty(record.headers), [])
        try:
            await self._deliver(tick)
        except Exception as exc:
            raise (_takes_nothing(record, why) if is_refusal(exc) else exc) from exc

    async def _shorten(self, letter: Record, why: Exception) -> None:
        less = shortened(letter.value, letter.headers, self._key)
        if less is None:
            raise _takes_nothing(letter, why)
        await self.place(Record(DEAD_LETTERS, letter.partition, *less, []))


def _takes_nothing(record: Record, why: Exception) -> KafkaFailedError:
    return KafkaFailedError(
        f"Kafka takes nothing into {record.topic} ({type(why).__name__}); see `qala doctor`, and "
        "mend the topic by: qala provision"
    )
