"""The rows that a simulated city's past would have left in InfluxDB (pure).

The city's messages go through the bridge's decoder, the worker's fold and the sink's row
maker, as on the real path, on the simulated time. What differs: the log has one record every
two seconds for the whole city, so that a reading enters it up to 2 s after it was measured
instead of some 0.1 s. Windows are by the readings' own time and are the same; a reading can
count in the next window of throughput, and alerts and states can change up to 2 s later.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from infra.simulator.own_pace import OwnPace
from infra.simulator.past.log import BRIDGE, SimulatedLog
from infra.simulator.seeds import seeded
from infra.simulator.settings import SimulatorSettings
from ingest.persons import PersonKey
from schemas.envelope import envelope_headers
from schemas.lineprotocol import pipeline_row, telemetry_row, worker_row
from schemas.measurements import DEFAULT_POLICY, POLICY_OF_WINDOW
from schemas.records import WorkerProgress
from schemas.topics import ALERTS, TELEMETRY
from sinks.pipeline import PipelineReport
from sinks.rows import RowMaker, Rows, horizon_ms
from streams.partition import Partition
from streams.rules import RuleSet

STEP_MS: Final = 2_000
"""Between two records of the simulated log."""
THINNED: Final = 6
"""Devices measure so much more rarely than in a live simulation (every 24 to 48 s)."""
INSTANCE: Final = "simulated"
MARK_EVERY_MS: Final = 3_600_000
_CLOSE_MS: Final = 3_600_000
"""So long before the end, the pipeline's rows are as dense as in a live Qala."""
_REPORT_MS: Final = 10_000
_SELDOM_MS: Final = 60_000
_REMEMBERED: Final = 65_536
_TOPICS: Final = ("telemetry", "rollups", "alerts", "devices")


class History:
    """One run through the past; `step` gives the rows of the next `STEP_MS`.

    ``readings`` and ``alerts`` (state changes) are counted; ``now_ms`` is the simulated time.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        start_ms: int,
        end_ms: int,
        key: PersonKey,
        rules: RuleSet,
    ) -> None:
        """A city whose devices start at ``start_ms``; both times are multiples of `STEP_MS`."""
        self.now_ms = start_ms
        self.end_ms = end_ms
        self.alerts = 0
        self.expired = 0
        self._settings = settings
        self._city = OwnPace(settings, start_ms * 1000, times=THINNED)
        self._log = SimulatedLog(key)
        self._partition = Partition(0, 1, rules)
        self._maker = RowMaker(_REMEMBERED)
        self._report = PipelineReport(INSTANCE, start_ms * 1_000_000)
        self._counters = Counter(received=0, accepted=0, expired=0, rejected=0)
        self._headers = envelope_headers(BRIDGE, 0)
        self._rng = seeded(settings.seed, "delivery")
        self._offset = -1
        self._rows: dict[str, list[str]] = {}

    @property
    def readings(self) -> int:
        """Distinct valid readings made so far."""
        return self._city.readings

    @property
    def names(self) -> tuple[str, ...]:
        """The devices, as ``site/device``."""
        return tuple(f"{one.site}/{one.name}" for one in self._city.devices)

    @property
    def ended(self) -> bool:
        """Whether the end is reached."""
        return self.now_ms >= self.end_ms

    def step(self, wall_ms: int) -> dict[str, list[str]]:
        """Come `STEP_MS` further; rows by retention policy.

        Rows that are older at the wall-clock time ``wall_ms`` than their policy keeps are left out.
        """
        self._rows = {}
        self.now_ms += STEP_MS
        self._offset += 1
        messages = self._city.until(self.now_ms * 1000)
        if self._offset == 0:
            messages = self._city.statuses("online", self.now_ms) + messages
        record = self._log.record(messages, self.now_ms)
        self._note(record.value, record.lines, record.letters)
        progress = None
        if record.value:
            self._take(self._maker.rows(TELEMETRY, record.value, wall_ms))
        finest_expired = self.now_ms < horizon_ms(POLICY_OF_WINDOW["10s"], wall_ms)
        outputs = self._partition.fold(self._offset, self.now_ms, record.value, self._headers)
        if self.ended:
            outputs += self._partition.end()  # nobody else would ever resolve what still fires
        for output in outputs:
            if finest_expired and output.key is not None and b"/10s/" in output.key:
                self._expire()  # as the row maker would say, without decoding half of all rows
                continue
            self.alerts += output.topic == ALERTS
            made = self._maker.rows(output.topic, output.value, wall_ms)
            progress = made.progress or progress
            self._take(made)
        if self.now_ms >= horizon_ms(DEFAULT_POLICY, wall_ms):
            self._add_pipeline(progress)
        return self._rows

    def _note(self, value: bytes, lines: int, letters: list[str]) -> None:
        if value:
            self._report.envelope(BRIDGE, lines, len(value))
        else:
            self._report.tick(BRIDGE, self.now_ms)
        for reason in letters:
            self._report.letter(reason, BRIDGE)

    def _expire(self) -> None:
        self._counters["received"] += 1
        self._counters["expired"] += 1
        self.expired += 1

    def _take(self, made: Rows) -> None:
        self._counters["received"] += made.received
        self._counters["expired"] += made.expired
        self.expired += made.expired
        for policy, rows in made.by_policy.items():
            self._counters["accepted"] += len(rows)
            self._rows.setdefault(policy, []).extend(rows)
        if made.rx_us is not None:
            # nothing is delivered here: how long it takes is simulated, too
            delivery_s = 0.15 + self._rng.expovariate(8)
            self._report.delay(delivery_s)
            if made.event_ms is not None:
                self._report.age(delivery_s + (made.rx_us / 1000 - made.event_ms) / 1000)

    def _add_pipeline(self, progress: WorkerProgress | None) -> None:
        """Qala's own rows: dense at the end, one a minute before."""
        now_ms, now_ns = self.now_ms, self.now_ms * 1_000_000
        rows = self._rows.setdefault(DEFAULT_POLICY, [])
        dense = self.end_ms - now_ms <= _CLOSE_MS
        if progress is not None and (dense or now_ms % _SELDOM_MS == 0):
            rows.append(worker_row(progress, None))
            rows.append(telemetry_row(0, 1, progress.clock))
        if now_ms % (_REPORT_MS if dense else _SELDOM_MS) == 0 or self.ended:
            self._report.tick(BRIDGE, now_ms)
            lag = {f"qala.{topic}.v1": 0 for topic in _TOPICS}
            rows += self._report.rows(now_ns, self._counters, lag)
        if now_ms % MARK_EVERY_MS == 0 or self.ended:
            tags = {"stage": "simulator", "simulated": "true"}
            settings = self._settings
            told = {"devices": settings.devices, "sites": settings.sites, "seed": settings.seed}
            rows.append(pipeline_row(tags, told, now_ns))
