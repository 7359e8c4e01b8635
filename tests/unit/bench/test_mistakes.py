"""What the bench refuses to compare."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.bench import mistakes
from tests.bench.mistakes import PeerError, SilentError, check_sound, comparable
from tests.bench.peers.faust_worker import Reading, fold
from tests.bench.peers.wire import decode_window
from tests.bench.phases import Plain
from tests.bench.truth import Stored, Window, Wrong

SOUND = Stored(windows=Counter({Window("air", "stop-1-sound", "ion-1", 0): 1}))
TRIES = 4


@dataclass
class Bench:
    """Peers of which each stores windows after so many loads; ``dead`` ones have ended."""

    needs: dict[str, int]
    dead: set[str] = field(default_factory=set)
    loads: int = 0

    async def publish(self, *_: Any, paced: bool) -> None:
        """As `Publisher.publish`."""
        assert paced
        self.loads += 1

    async def stored(self, _: Any, system: Any, *__: str) -> Stored:
        """As `mistakes._stored`."""
        return SOUND if self.loads >= self.needs[system.name] else Stored()

    async def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """See whether all are sound."""
        monkeypatch.setattr(mistakes, "_stored", self.stored)
        cases: Any = [
            SimpleNamespace(system=SimpleNamespace(name=name), stages={"all": self._stage(name)})
            for name in self.needs
        ]
        publisher: Any = self
        stack: Any = None
        await mistakes._all_sound(stack, cases, publisher, Plain(Path("load"), 1))

    def _stage(self, name: str) -> Any:
        process = SimpleNamespace(running=name not in self.dead, died=lambda: "its last words")
        return SimpleNamespace(process=process)


@pytest.mark.parametrize("loads", range(1, TRIES + 1))
async def test_the_load_without_faults_comes_again_until_the_last_peer_stores_windows(
    monkeypatch, loads
):
    bench = Bench({"by hand": 1, "stock Faust": loads, "Telegraf": 1})
    await bench.run(monkeypatch)
    assert bench.loads == loads


async def test_a_peer_that_stores_nothing_of_four_loads_ends_the_bench(monkeypatch):
    bench = Bench({"by hand": 1, "stock Faust": TRIES + 1})
    with pytest.raises(SilentError, match="stock Faust has stored no window"):
        await bench.run(monkeypatch)
    assert bench.loads == TRIES


async def test_a_peer_that_has_ended_ends_the_bench_at_once(monkeypatch):
    bench = Bench({"by hand": 1, "stock Faust": 2}, dead={"stock Faust"})
    with pytest.raises(PeerError, match="stock Faust: its last words") as ended:
        await bench.run(monkeypatch)
    assert not isinstance(ended.value, SilentError)
    assert bench.loads == 1


def test_a_peer_that_stores_no_window_of_a_load_without_faults_ends_the_bench():
    others = Stored(windows=Counter({Window("air", "stop-1-late", "ion-1", 0): 3}))
    for found in (Stored(), others):
        with pytest.raises(SilentError, match="stock Faust has stored no window"):
            check_sound("stock Faust", found)
    check_sound("by hand", SOUND)


def test_faults_are_compared_only_where_most_windows_are_there_without_them():
    assert comparable(Wrong(missing=310, twice=0, elsewhere=14), 620)
    assert not comparable(Wrong(missing=311, twice=0, elsewhere=0), 620)


def test_a_window_of_faust_with_a_field_of_yes_and_no_is_one_that_its_sink_reads():
    reading = Reading(type="audio", ts=1, boot=1, seq=0, volume_pct=60, playing=True)
    cell = fold({}, reading)
    window = {"type": "audio", "site": "s", "device": "d", "tags": [], "start": 0, **cell}
    assert decode_window(msgspec.json.encode(window)).fields["playing"] == (1, 1.0, 1.0, 1.0)
