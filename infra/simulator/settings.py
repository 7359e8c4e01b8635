"""What city is simulated, how fast, and what goes wrong in it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from schemas.readings import MAX_ARRAY

Share = Annotated[float, Field(ge=0, le=1)]

USUAL_SHARES: Final[dict[str, float]] = {
    "duplicates": 0.01,
    "disorder": 0.005,
    "late": 0.005,
    "malformed": 0.001,
    "wrong_clock": 0.001,
    "quirks": 0.002,
    "silent": 0.05,
    "reset": 0.05,
}
"""What a fault named without a share gets, and what ``all`` means."""


class Faults(BaseModel):
    """How often what goes wrong: shares of messages, or (``silent``, ``reset``) of devices.

    A message has at most one of these faults. Duplicates and malformed messages come on top of
    the readings that were asked for; every other fault changes when or how one is sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    duplicates: Share = 0.0
    """The same bytes again, at once or after a few more messages of that device."""
    disorder: Share = 0.0
    """A message changes places with one of the device's next few."""
    late: Share = 0.0
    """Readings that the device keeps for a while and sends as an array, up to six hours old."""
    malformed: Share = 0.0
    """One dead letter each; where messages are arrays, half of them as an element of one."""
    wrong_clock: Share = 0.0
    """``ts`` hours ahead, or in 1970."""
    quirks: Share = 0.0
    """Valid, as only some devices write it: ``12.0`` for an int, unknown fields, line breaks."""
    silent: Share = 0.0
    """Devices that fall silent for half a minute to two minutes, again and again."""
    reset: Share = 0.0
    """Devices that lose their counters: ``seq`` from 0 again with the same ``boot``."""


class SimulatorSettings(BaseModel):
    """Settings of ``qala simulate``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    devices: int = Field(default=30, ge=1, le=100_000)
    sites: int = Field(default=6, ge=1, le=10_000)
    rate: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Readings a second of real time over all devices, which take turns; 0: as fast as the broker
    takes them. None: each device at its own pace, as in a city."""
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Length of the run in real seconds; None: until stopped (or until ``count``)."""
    count: int | None = Field(default=None, ge=0)
    """How many distinct valid readings to send; None: no limit."""
    seed: int = 1
    faults: Faults = Faults()
    batch: int = Field(default=1, ge=1, le=MAX_ARRAY)
    """Readings in one MQTT message; above 1 they are arrays. Of a run with a ``rate``."""
    connections: int = Field(default=2, ge=1, le=1000)
    """MQTT connections that the devices share."""
    inflight: int = Field(default=2000, ge=1, le=65_000)
    """Unacknowledged messages of one connection; the broker's receive maximum is kept, too."""
    offline_at_stop: bool = False
    """Whether the devices say ``offline`` (retained) when the simulator stops in order."""
    until_heard: bool = False
    """Whether to send again what the broker took although nobody had subscribed."""
    client_id: str = Field(default="", max_length=100)
    """Begin of the MQTT client ids (``city`` gives ``city-0``, …), for a broker that admits some
    ids only. Empty: the broker makes them up, so that any number of simulators run side by side."""

    @field_validator("faults", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return parse_faults(value) if isinstance(value, str) else value

    def lane_id(self, number: int) -> str:
        """The MQTT client id of a connection, of which the first is number 0."""
        return f"{self.client_id}-{number}" if self.client_id else ""

    @property
    def total(self) -> int | None:
        """How many readings end the run, where that is known beforehand."""
        timed = round(self.rate * self.seconds) if self.rate and self.seconds else None
        limits = [limit for limit in (self.count, timed) if limit is not None]
        return min(limits, default=None)


def parse_faults(text: str) -> Faults:
    """Faults of a setting like ``duplicates=1%,late=0.005,malformed`` or ``all``.

    A fault without a share gets its usual one (`USUAL_SHARES`); ``none`` and the empty text
    are no faults.

    Raises:
        ValueError: a name is unknown or a share can't be read; says what to write.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, given, amount = part.strip().partition("=")
        name = name.strip().replace("-", "_")
        if name in {"", "none"} and not given:
            continue
        if name == "all" and not given:
            shares |= {known: shares.get(known, usual) for known, usual in USUAL_SHARES.items()}
        elif name not in USUAL_SHARES:
            known = ", ".join(USUAL_SHARES)
            raise ValueError(f"fault '{name}' is unknown; write 'all', or some of {known}")
        else:
            shares[name] = _share(name, amount.strip()) if given else USUAL_SHARES[name]
    return Faults(**shares)


def _share(name: str, text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"fault '{name}': '{text}' is not a share; write 1% or 0.01")
    return share
