from hypothesis import given
from hypothesis import strategies as st

from schemas.patience import Patience

GAP_S = 6.0


def patience() -> Patience:
    return Patience(gap_s=GAP_S)


def test_the_time_from_look_to_look_adds_up_while_the_same_is_awaited():
    one = patience()
    assert [one.look(at_s, "commit 7") for at_s in (100.0, 103.0, 107.5)] == [0.0, 3.0, 7.5]


def test_nothing_adds_up_while_nothing_is_awaited():
    one = patience()
    assert [one.look(at_s, None) for at_s in (0.0, 3.0, 6.0)] == [0.0, 0.0, 0.0]


def test_it_begins_again_when_a_part_has_come():
    one = patience()
    one.look(0.0, ("records", 1))
    assert one.look(5.0, ("records", 1)) == 5.0
    assert one.look(8.0, ("records", 2)) == 0.0
    assert one.look(10.0, ("records", 2)) == 2.0


def test_it_begins_again_when_nothing_was_awaited_in_between():
    one = patience()
    one.look(0.0, "commit 7")
    one.look(5.0, "commit 7")
    one.look(8.0, None)
    assert one.look(9.0, "commit 7") == 0.0
    assert one.look(11.0, "commit 7") == 2.0


def test_a_process_that_was_halted_has_not_waited_meanwhile():
    one = patience()
    one.look(0.0, "commit 7")
    assert one.look(4000.0, "commit 7") == GAP_S


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([None, 1, 2])), max_size=60))
def test_what_is_waited_is_the_sum_since_the_awaited_was_another(
    looks: list[tuple[float, int | None]],
):
    one = patience()
    now_s = 0.0
    expected_s = 0.0
    before = None
    for step_s, awaited in looks:
        now_s += step_s
        same = awaited is not None and awaited == before
        expected_s = expected_s + min(step_s, GAP_S) if same else 0.0
        before = awaited
        assert abs(one.look(now_s, awaited) - expected_s) < 1e-6
