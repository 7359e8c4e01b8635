"""``qala simulate --into-influx``: a simulated past, written by the InfluxDB sink's own parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from infra.provision import provision_influx
from infra.simulator.local_time import DAY_MS
from infra.simulator.past.errors import FillError
from infra.simulator.past.history import STEP_MS, History
from infra.simulator.past.writers import Told, Writers
from infra.simulator.settings import SimulatorSettings
from infra.simulator.town import site_name
from infra.verify.influxql import influx_reader
from ingest.persons import PersonKey
from schemas.clock import RealClock
from schemas.connections import InfluxConnection
from schemas.measurements import DEFAULT_POLICY, POLICIES
from schemas.readings import READING_STRUCTS
from sinks.influx import InfluxSink
from sinks.settings import InfluxSinkSettings
from streams.rules import RuleSet

_AHEAD_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a filling came to; ``rows`` by retention policy, times as ISO 8601."""

    devices: tuple[str, ...]
    first: str
    last: str
    seed: int
    readings: int
    alerts: int
    rows: dict[str, int]
    expired: int
    seconds: float
    cpu_seconds: float
    simulated: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


async def fill(
    settings: SimulatorSettings,
    *,
    days: float,
    end_ms: int,
    influx: InfluxConnection,
    key: Callable[[], PersonKey],
    rules: RuleSet,
    force: bool = False,
    progress: Told | None = None,
) -> Filled:
    """Write the last ``days`` of a simulated city until ``end_ms`` into InfluxDB.

    The database is made where it is missing. The same settings and end give the same rows.
    ``key`` gives the key for persons' ids when nothing speaks against the filling any more.

    Raises:
        FillError: ``end_ms`` lies ahead; or the database holds readings of these sites already
            (unless ``force``), is away for too long, or refuses rows.
        ProvisionError: the database can't be made.
        PersonKeyError: the key can't be read or made.
        UnsupportedInfluxError: the server is older than InfluxDB 1.8, or not InfluxDB.
    """
    clock = RealClock()
    if end_ms > clock.now_us() // 1000 + _AHEAD_MS:
        raise FillError(
            f"the past can't end in the future ({_iso(end_ms)}): rows ahead of the clock would "
            "look like those of a Qala that is running"
        )
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    end_ms -= end_ms % STEP_MS
    start_ms = end_ms - round(days * DAY_MS / STEP_MS) * STEP_MS
    await provision_influx(influx)
    if not force:
        await _refuse_mixture(influx, settings)
    sink = InfluxSink(influx, timeout_s=InfluxSinkSettings().write_timeout_s)
    history = History(settings, start_ms=start_ms, end_ms=end_ms, key=key(), rules=rules)
    writers = Writers(sink, clock)
    try:
        await writers.write(history, progress or (lambda _share: None))
    finally:
        await sink.close()
    return Filled(
        devices=history.names,
        first=_iso(start_ms),
        last=_iso(end_ms),
        seed=settings.seed,
        readings=history.readings,
        alerts=history.alerts,
        rows={policy: writers.accepted[policy] for policy in POLICIES},
        expired=history.expired + writers.expired,
        seconds=round(time.monotonic() - began_s, 1),
        cpu_seconds=round(time.process_time() - began_cpu_s, 1),
    )


async def _refuse_mixture(influx: InfluxConnection, settings: SimulatorSettings) -> None:
    """Refuse to write where readings of the same sites are, simulated before or real."""
    names = [site_name(place) for place in range(min(settings.sites, settings.devices))]
    sites = " OR ".join(f"\"site\" = '{name}'" for name in names)
    async with influx_reader(influx) as reader:
        for sort in READING_STRUCTS:
            from_type = f'FROM "{DEFAULT_POLICY}"."{sort}"'
            question = f'SELECT "seq" {from_type} WHERE {sites} LIMIT 1'
            async for chunk in reader.rows(question):
                if chunk.rows:
                    raise FillError(
                        f"database {influx.database} at {influx} holds readings of these sites "
                        f"already ({', '.join(names)}); fill another one (QALA_INFLUX_DATABASE), "
                        "or mix them with --force"
                    )


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")
