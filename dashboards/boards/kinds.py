"""One board for each kind of device; those of bus stops and desks have modules of their own."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.limits import Limits
from dashboards.model import Board, Section, Shown, Stat, Step, Table, TimeSeries
from dashboards.signals import alerts, readings
from dashboards.signals.forms import BY_DEVICE

_LATELY_S = 600
_VARIABLES = (parts.SITE, parts.DEVICE)


def entrances(limits: Limits) -> Board:
    """Face-recognition access points: passages, masks, body temperature."""
    fever = limits.steps("passage.body_celsius")
    masks = readings.lately("passage", "mask", "mean", (), _LATELY_S)
    newest = readings.last_seen("passage", "mask", ())
    table = Table(
        title="Entrances",
        description="The last 10 minutes of each entrance.",
        rows=readings.last_seen("passage", "boot"),
        age_title="Last passage",
        columns=(
            Shown(signal=readings.counted("passage", "Passages", BY_DEVICE, _LATELY_S)),
            Shown(
                signal=readings.lately("passage", "mask", "mean", BY_DEVICE, _LATELY_S), decimals=0
            ),
            Shown(
                signal=readings.lately("passage", "body_celsius", "max", BY_DEVICE, _LATELY_S),
                title="Highest body temperature",
                steps=fever,
                decimals=1,
            ),
        ),
        links=(parts.TO_DEVICE,),
    )
    return Board(
        uid="qala-entrances",
        title="Entrances",
        description="Cameras at entrances: passages in and out, masks, body temperature.",
        variables=_VARIABLES,
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(),
                    parts.passages_tile(width=6),
                    Stat(
                        title="With a mask, last 10 minutes",
                        description=masks.description,
                        values=(Shown(signal=masks, decimals=0),),
                        age=newest,
                        width=5,
                    ),
                    parts.devices_tile("camera", width=9),
                    table,
                ),
            ),
            Section(
                title="Over time",
                panels=(
                    TimeSeries(
                        title="Passages",
                        description="People in and out in a minute.",
                        lines=parts.shown(
                            [readings.per_minute("passage", "Passages", ("direction",))], 1
                        ),
                        style="bars",
                        stacked=True,
                        lowest=0,
                    ),
                    parts.over_time(
                        parts.hourly(readings.history("passage", "mask", by=("site",))), lowest=0
                    ),
                    parts.over_time(
                        readings.history("passage", "body_celsius", "max"),
                        limits=fever,
                        decimals=1,
                    ),
                    parts.over_time(
                        readings.history("passage", "confidence"), decimals=2, lowest=0
                    ),
                ),
            ),
        ),
        annotations=alerts.marks,
    )


def streets(limits: Limits) -> Board:
    """Surveillance cameras: what they see, and how well."""
    storage, frames = limits.steps("scene.storage_free_pct"), limits.steps("scene.fps")

    def now(field: str, *, steps: tuple[Step, ...] = (), decimals: int = 0) -> Shown:
        signal = readings.current("scene", field)
        return Shown(signal=signal, steps=steps, decimals=decimals)

    table = Table(
        title="Cameras",
        description="The newest scene of each, unless it is older than 3 minutes.",
        rows=readings.last_seen("scene", "fps"),
        age_title="Last scene",
        columns=(
            now("people"),
            now("vehicles"),
            now("motion"),
            now("fps", steps=frames),
            now("bitrate_kbps"),
            now("storage_free_pct", steps=storage),
            Shown(signal=readings.tampered, words=parts.NO_YES),
        ),
        links=(parts.TO_DEVICE,),
    )
    over_time, history, compared = parts.over_time, readings.history, parts.compared_over_time
    return Board(
        uid="qala-streets",
        title="Street cameras",
        description="Surveillance cameras: people, vehicles, stream, storage, tampering.",
        variables=_VARIABLES,
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(),
                    parts.people_tile("scene", width=6),
                    parts.devices_tile("camera", width=7),
                    parts.alerts_tile(width=7),
                    table,
                ),
            ),
            Section(
                title="Over time",
                panels=(
                    over_time(history("scene", "people"), lowest=0, decimals=1),
                    over_time(history("scene", "vehicles"), lowest=0, decimals=1),
                    compared(limits, "scene", "fps", 0, lowest=0),
                    compared(limits, "scene", "storage_free_pct", 0, lowest=0),
                    over_time(history("scene", "bitrate_kbps"), lowest=0, decimals=0),
                    over_time(history("scene", "motion"), lowest=0, decimals=2),
                ),
            ),
        ),
        annotations=alerts.marks,
    )


def thermometers(limits: Limits) -> Board:
    """Thermometers: air, water and surfaces."""
    celsius = limits.steps("temperature.celsius")
    table = Table(
        title="Thermometers",
        description="The newest value of each, unless it is older than 3 minutes.",
        rows=readings.last_seen("temperature", "celsius"),
        age_title="Last reading",
        columns=(
            Shown(signal=readings.current("temperature", "celsius"), steps=celsius, decimals=1),
            Shown(signal=readings.current("temperature", "humidity_pct"), decimals=0),
        ),
        links=(parts.TO_DEVICE,),
    )
    return Board(
        uid="qala-thermometers",
        title="Thermometers",
        description="Temperature and humidity of air, water and surfaces.",
        variables=_VARIABLES,
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(),
                    parts.devices_tile("thermometer", width=10),
                    parts.alerts_tile(width=10),
                    table,
                ),
            ),
            Section(
                title="Over time",
                panels=(
                    parts.compared_over_time(limits, "temperature", "celsius", 1, width=24),
                    parts.over_time(
                        readings.history("temperature", "humidity_pct"),
                        decimals=0,
                        width=24,
                        lowest=0,
                    ),
                    parts.states_over_time("thermometer"),
                ),
            ),
        ),
        annotations=alerts.marks,
    )


def speakers(limits: Limits) -> Board:
    """Loudspeakers: what they play, how loud it is around them."""
    noise, queue = limits.steps("audio.noise_db"), limits.steps("audio.queue")
    table = Table(
        title="Speakers",
        description="The newest value of each, unless it is older than 3 minutes.",
        rows=readings.last_seen("audio", "volume_pct"),
        age_title="Last reading",
        columns=(
            Shown(signal=readings.playing, words=parts.YES),
            Shown(signal=readings.current("audio", "volume_pct"), decimals=0),
            Shown(signal=readings.current("audio", "queue"), steps=queue),
            Shown(signal=readings.current("audio", "noise_db"), steps=noise, decimals=0),
        ),
        links=(parts.TO_DEVICE,),
    )
    over_time, history = parts.over_time, readings.history
    return Board(
        uid="qala-speakers",
        title="Speakers",
        description="Loudspeakers: playing, volume, announcements waiting, noise around them.",
        variables=_VARIABLES,
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(),
                    parts.devices_tile("speaker", width=10),
                    parts.alerts_tile(width=10),
                    table,
                ),
            ),
            Section(
                title="Over time",
                panels=(
                    parts.compared_over_time(limits, "audio", "noise_db", 0),
                    over_time(
                        parts.hourly(history("audio", "queue", "max")), limits=queue, lowest=0
                    ),
                    over_time(parts.hourly(history("audio", "playing")), lowest=0),
                    over_time(history("audio", "volume_pct"), lowest=0, decimals=0),
                ),
            ),
        ),
        annotations=alerts.marks,
    )
