from hypothesis import given
from hypothesis import strategies as st

from streams.settling import Settling

EVERY_S = 3.0
LIMIT_S = 60.0
PATIENT = 20
"""So many looks fit in the limit."""


def settling() -> Settling:
    return Settling(every_s=EVERY_S, limit_s=LIMIT_S)


def hanging(one: Settling, looks: int, *, heard: int = 0) -> list[bool]:
    """What each of so many looks says at a worker that hangs while Kafka answers."""
    return [one.look(settled=False, answers=True, heard=heard) for _ in range(looks)]


def test_a_worker_that_hangs_while_kafka_answers_is_left_alone_for_the_limit_and_no_longer():
    assert hanging(settling(), PATIENT + 1) == [True] * PATIENT + [False]


def test_a_settled_worker_is_left_alone_for_ever():
    one = settling()
    assert all(one.look(settled=True, answers=True, heard=0) for _ in range(10 * PATIENT))


def test_time_without_kafka_does_not_count():
    one = settling()
    assert all(hanging(one, PATIENT))
    assert all(one.look(settled=False, answers=False, heard=0) for _ in range(10 * PATIENT))
    assert hanging(one, PATIENT + 1) == [True] * PATIENT + [False]


def test_a_state_that_still_comes_is_waited_for_however_large_it_is():
    one = settling()
    for heard in range(1, 100):
        assert all(hanging(one, PATIENT, heard=heard))
    assert hanging(one, 2, heard=99) == [True, False]


def test_a_settled_worker_whose_partitions_are_assigned_anew_has_the_whole_limit_again():
    one = settling()
    assert all(hanging(one, PATIENT))
    assert one.look(settled=True, answers=True, heard=0)
    assert hanging(one, PATIENT + 1) == [True] * PATIENT + [False]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), max_size=80))
def test_a_worker_is_ended_only_by_looks_in_a_row_that_all_found_it_hanging(
    looks: list[tuple[bool, bool, int]],
):
    one = settling()
    before = 0
    in_a_row = 0
    for settled, answers, heard in looks:
        hangs = not settled and answers and heard == before
        in_a_row = in_a_row + 1 if hangs else 0
        before = heard
        said = one.look(settled=settled, answers=answers, heard=heard)
        assert said == (in_a_row <= PATIENT)
