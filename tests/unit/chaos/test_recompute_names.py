"""The recomputation's names against the worker's memory, on any readings."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dedup import SeenMemory
from tests.chaos.recompute.contract import DAY_MS
from tests.chaos.recompute.names import Names

seqs = st.integers(0, 12) | st.sampled_from([100, 105, 112, 113, 220])
times = st.integers(0, 40) | st.integers(DAY_MS - 20, DAY_MS + 40)
readings = st.lists(st.tuples(st.integers(1, 3), seqs, times, st.booleans()), max_size=120)


@settings(max_examples=500)
@given(readings)
def test_they_agree_on_each_reading_whatever_is_believed_and_in_whatever_order(drawn):
    memory, names = SeenMemory(), Names()
    for boot, seq, ts_ms, believed in drawn:
        former = memory.generation(boot, seq, ts_ms, believed=believed) is memory.before
        assert names.is_former(boot, seq, ts_ms, believed=believed) == former
        verdict = memory.see(boot, seq, ts_ms, 0, believed=believed)
        assert names.judge(boot, seq, ts_ms, believed=believed) == verdict.name.lower()
