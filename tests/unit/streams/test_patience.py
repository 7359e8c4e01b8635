from hypothesis import given
from hypothesis import strategies as st

from streams.patience import Patience

EVERY_S = 3.0
LIMIT_S = 60.0
PATIENT = 20
"""So many looks fit in the limit."""


def patience() -> Patience:
    return Patience(every_s=EVERY_S, limit_s=LIMIT_S)


def hanging(one: Patience, looks: int, *, come: int = 0) -> list[bool]:
    """What each of so many looks says at a worker that hangs while Kafka answers."""
    return [one.look(waits=True, answers=True, come=come) for _ in range(looks)]


def test_a_worker_that_hangs_while_kafka_answers_is_left_alone_for_the_limit_and_no_longer():
    assert hanging(patience(), PATIENT + 1) == [True] * PATIENT + [False]


def test_a_worker_that_waits_for_nothing_is_left_alone_for_ever():
    one = patience()
    assert all(one.look(waits=False, answers=True, come=0) for _ in range(10 * PATIENT))


def test_time_without_kafka_does_not_count():
    one = patience()
    assert all(hanging(one, PATIENT))
    assert all(one.look(waits=True, answers=False, come=0) for _ in range(10 * PATIENT))
    assert hanging(one, PATIENT + 1) == [True] * PATIENT + [False]


def test_a_state_that_still_comes_is_waited_for_however_large_it_is():
    one = patience()
    for come in range(1, 100):
        assert all(hanging(one, PATIENT, come=come))
    assert hanging(one, 2, come=99) == [True, False]


def test_a_worker_that_waits_again_has_the_whole_limit_again():
    one = patience()
    assert all(hanging(one, PATIENT))
    assert one.look(waits=False, answers=True, come=0)
    assert hanging(one, PATIENT + 1) == [True] * PATIENT + [False]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), max_size=80))
def test_a_worker_is_ended_only_by_looks_in_a_row_that_all_found_it_hanging(
    looks: list[tuple[bool, bool, int]],
):
    one = patience()
    before = 0
    in_a_row = 0
    for waits, answers, come in looks:
        hangs = waits and answers and come == before
        in_a_row = in_a_row + 1 if hangs else 0
        before = come
        said = one.look(waits=waits, answers=answers, come=come)
        assert said == (in_a_row <= PATIENT)
