"""What the bench refuses to compare."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from tests.bench.mistakes import PeerError, check_sound, comparable
from tests.bench.peers.faust_worker import Reading, fold
from tests.bench.peers.wire import decode_window
from tests.bench.truth import Stored, Window, Wrong


def test_a_peer_that_stores_no_window_of_a_load_without_faults_ends_the_bench():
    others = Stored(windows=Counter({Window("air", "stop-1-late", "ion-1", 0): 3}))
    for found in (Stored(), others):
        with pytest.raises(PeerError, match="stock Faust has stored no window"):
            check_sound("stock Faust", found)
    check_sound("by hand", Stored(windows=Counter({Window("air", "stop-1-sound", "ion-1", 0): 1})))


def test_faults_are_compared_only_where_most_windows_are_there_without_them():
    assert comparable(Wrong(missing=310, twice=0, elsewhere=14), 620)
    assert not comparable(Wrong(missing=311, twice=0, elsewhere=0), 620)


def test_a_window_of_faust_with_a_field_of_yes_and_no_is_one_that_its_sink_reads():
    reading = Reading(type="audio", ts=1, boot=1, seq=0, volume_pct=60, playing=True)
    cell = fold({}, reading)
    window = {"type": "audio", "site": "s", "device": "d", "tags": [], "start": 0, **cell}
    assert decode_window(msgspec.json.encode(window)).fields["playing"] == (1, 1.0, 1.0, 1.0)
