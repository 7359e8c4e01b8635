"""The moving parts of one run: the city, its lanes, the schedule and the ledger."""

from __future__ import annotations

from collections import Counter as Counts
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from infra.ledger import LedgerWriter
from infra.simulator.city import City, describe
from infra.simulator.message import Outgoing
from infra.simulator.own_pace import OwnPace
from infra.simulator.publisher import Lane
from infra.simulator.seeds import seeded
from infra.simulator.settings import SimulatorSettings
from infra.simulator.summary import Summary
from schemas.clock import Clock
from schemas.connections import MqttConnection
from schemas.readiness import Readiness

_BURST_READINGS: Final = 2000


class Run:
    """The moving parts of one run: the city, its lanes, the ledger and the counters."""

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        mqtt: MqttConnection,
        clock: Clock,
        ledger: LedgerWriter | None,
        registry: CollectorRegistry,
        readiness: Readiness,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.ledger = ledger
        self.start_us = clock.now_us()
        self.city: City | OwnPace = (OwnPace if settings.rate is None else City)(
            settings, self.start_us
        )
        self.lanes = [
            Lane(
                mqtt,
                number,
                client_id=settings.lane_id(number),
                inflight=settings.inflight,
                on_acknowledged=self.acknowledged,
                readiness=readiness,
                rng=seeded(settings.seed, "lane", number),
                until_heard=settings.until_heard,
            )
            for number in range(settings.connections)
        ]
        self.slots = 0
        self.behind_s = 0.0
        self.messages = 0
        self.taken = 0
        self.taken_readings = 0
        self.meant: Counts[str] = Counts()
        self._counted = (0, 0)
        self._made = Counter(
            "qala_simulator_readings_total", "Distinct valid simulated readings", registry=registry
        )
        self._acked = Counter(
            "qala_simulator_acknowledged_total", "Messages the broker took", registry=registry
        )
        self._pending = Gauge(
            "qala_simulator_pending", "Messages not acknowledged yet", registry=registry
        )

    @property
    def ended(self) -> bool:
        """Whether all that was asked for has been made."""
        settings = self.settings
        if settings.count is not None and self.city.readings >= settings.count:
            return True
        if settings.seconds is None:
            return False
        if settings.rate:
            return self.slots >= round(settings.rate * settings.seconds)
        return self.elapsed_s() >= settings.seconds

    def elapsed_s(self) -> float:
        """Real seconds since the start."""
        return (self.clock.now_us() - self.start_us) / 1e6 / (self.clock.speed or 1.0)

    def acknowledged(self, message: Outgoing) -> None:
        """Note a message that the broker took."""
        self.taken += 1
        self.meant[message.meant] += 1
        self.taken_readings += message.readings
        if self.ledger is not None:
            self.ledger.append(message, self.clock.now_us() // 1000)

    def send(self, messages: list[Outgoing]) -> None:
        """Hand each message to the lane of its device; a device stays in order."""
        self.messages += len(messages)
        if len(self.lanes) == 1:
            self.lanes[0].offer(messages)
            return
        shares: list[list[Outgoing]] = [[] for _ in self.lanes]
        for message in messages:
            shares[message.lane].append(message)
        for lane, share in zip(self.lanes, shares, strict=True):
            if share:
                lane.offer(share)

    def burst(self) -> int:
        """Make and send what is due; gives the number of readings."""
        settings = self.settings
        if isinstance(self.city, OwnPace):
            return self._let_speak(self.city)
        room = 2 * settings.inflight * settings.connections - self.unacknowledged
        due = self._due()
        if settings.count is not None:
            due = min(due, settings.count - self.city.readings)
        number = min(due, room * settings.batch, _BURST_READINGS * settings.batch)
        whole = number // settings.batch * settings.batch
        if whole < number and (whole == 0 or number == due) and self._last(number):
            whole = number
        if whole <= 0:
            return 0
        self.send(self.city.advance(self._times_us(whole)))
        self.slots += whole
        return whole

    def _let_speak(self, city: OwnPace) -> int:
        """Send what the devices have to say by now."""
        settings = self.settings
        at_most = min(2 * settings.inflight * settings.connections - self.unacknowledged,
                      _BURST_READINGS)  # fmt: skip
        if settings.count is not None:
            at_most = min(at_most, settings.count - city.readings)
        before = city.readings
        self.send(city.until(self.clock.now_us(), max(at_most, 0)))
        return city.readings - before

    def _due(self) -> int:
        """How many readings the schedule has reached, and how far it is ahead of us."""
        settings = self.settings
        if not settings.rate:
            return _BURST_READINGS * settings.batch
        reached = int(self.elapsed_s() * settings.rate) + 1
        if settings.seconds is not None:
            reached = min(reached, round(settings.rate * settings.seconds))
        self.behind_s = max(self.behind_s, (reached - self.slots) / settings.rate)
        return reached - self.slots

    def _last(self, number: int) -> bool:
        """Whether ``number`` more readings are the run's last, and may be less than a batch."""
        settings = self.settings
        if settings.count is not None and self.city.readings + number >= settings.count:
            return True
        rate, seconds = settings.rate, settings.seconds
        slots = round(rate * seconds) if rate and seconds else 0
        return bool(slots) and self.slots + number >= slots

    def _times_us(self, number: int) -> list[int]:
        settings = self.settings
        if not settings.rate:
            return [self.clock.now_us()] * number
        step_us = 1e6 * (self.clock.speed or 1.0) / settings.rate
        start_us = self.start_us
        return [start_us + int(slot * step_us) for slot in range(self.slots, self.slots + number)]

    @property
    def unacknowledged(self) -> int:
        """Messages that wait or are unacknowledged."""
        return sum(lane.pending for lane in self.lanes)

    def count(self) -> None:
        """Bring the metrics up to date."""
        self._made.inc(self.city.readings - self._counted[0])
        self._acked.inc(self.taken - self._counted[1])
        self._pending.set(self.unacknowledged)
        self._counted = (self.city.readings, self.taken)

    def summary(self, seconds: float) -> Summary:
        """What the run came to after so many real seconds."""
        return Summary(
            city=describe(self.settings),
            readings=self.city.readings,
            messages=self.messages,
            acknowledged=self.taken,
            acknowledged_readings=self.taken_readings,
            duplicates=self.meant["duplicate"],
            malformed=self.meant["malformed"],
            statuses=self.meant["status"],
            refused=sum(lane.refused for lane in self.lanes),
            unheard=sum(lane.unheard for lane in self.lanes),
            unacknowledged=self.unacknowledged,
            broken_connections=sum(lane.broken for lane in self.lanes),
            seconds=round(seconds, 3),
            behind_s=round(self.behind_s, 3),
        )
