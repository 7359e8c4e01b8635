"""The simulated city that all faults happen under."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.stack import Stack, StageProcess
from tests.support.waiting import eventually

FAULTS: Final = (
    "duplicates=1%,disorder=0.5%,late=0.5%,malformed=0.1%,wrong_clock=0.3%,quirks=0.2%,"
    "silent=8%,reset=8%"
)
_END_S: Final = 120.0
_SETTLE_S: Final = "30"


@dataclass(frozen=True)
class Load:
    """Readings a second, by how many devices at how many sites."""

    rate: float = 2000.0
    devices: int = 240
    sites: int = 20
    faults: str = FAULTS


@dataclass
class Sent:
    """``unheard`` is how often the broker said that it took a message for nobody (code 16).

    The simulator does not send such a message again, as most devices wouldn't: it is lost. The
    session of a bridge that is alone has everything, so it must not happen.
    """

    unheard: int = 0


@asynccontextmanager
async def under_load(stack: Stack, load: Load, seed: int, ledger: Path) -> AsyncIterator[Sent]:
    """Readings come; afterwards all that was sent has been acknowledged and is in the ledger."""
    sent = Sent()
    city = await stack.run(
        "simulate", "--rate", f"{load.rate:g}", "--devices", str(load.devices),
        "--sites", str(load.sites), "--faults", load.faults, "--seed", str(seed),
        "--ledger", str(ledger), name="simulator",
    )  # fmt: skip
    await eventually(lambda: _begun(city), timeout_s=60)
    yield sent
    assert city.running, city.died()
    city.process.terminate()
    # it sends what devices hold back, and waits for the broker
    assert await asyncio.wait_for(city.process.wait(), _END_S) == 0, city.died()
    (ended,) = [line for line in city.output().splitlines() if '"simulated city ends"' in line]
    sent.unheard = json.loads(ended)["unheard"]


async def verified(stack: Stack, ledger: Path) -> dict[str, Any]:
    """What `qala verify` says, once nothing has come any more for half a minute."""
    process = await stack.run("verify", str(ledger), "--settle", _SETTLE_S, "--json", name="verify")
    await process.process.wait()
    text = process.output()
    assert "{\n" in text, process.died()
    report: dict[str, Any]
    report, _ = json.JSONDecoder().raw_decode(text, text.index("{\n"))
    return report


async def _begun(city: StageProcess) -> bool:
    assert city.running, city.died()
    return "simulated city starts" in city.output()
