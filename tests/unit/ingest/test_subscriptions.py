"""Which subscription a bridge holds, and that it never is without one."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.subscriptions import RETRY_S, How, Step, Subscriptions

SHARED, ORDINARY = How.SHARED, How.ORDINARY
OTHERS = frozenset({"qala-bridge-2"})


def subscriptions(others: frozenset[str] | None = None) -> Subscriptions:
    made = Subscriptions()
    if others is not None:
        made.members(others)
    made.begin()
    return made


def settle(made: Subscriptions, *refusals: Step, now_s: float = 0) -> list[Step]:
    """Answer whatever is asked for; gives the packets in their order."""
    steps = []
    while (step := made.next(now_s)) is not None:
        steps.append(step)
        made.asked(step)
        if step in refusals:
            made.refused(step, now_s)
        else:
            made.granted(step)
        assert len(steps) < 10
    return steps


def test_without_knowing_of_others_it_shares() -> None:
    assert settle(subscriptions()) == [Step(SHARED), Step(ORDINARY, ends=True)]


def test_alone_it_subscribes_by_itself_and_gives_no_share_a_moment() -> None:
    assert settle(subscriptions(frozenset())) == [Step(ORDINARY), Step(SHARED, ends=True)]


def test_who_knows_of_others_no_more_shares_again() -> None:
    made = subscriptions(frozenset())
    settle(made)
    made.members(None)
    assert settle(made) == [Step(SHARED), Step(ORDINARY, ends=True)]


def test_when_another_bridge_comes_it_shares_before_it_ends_its_own() -> None:
    made = subscriptions(frozenset())
    settle(made)
    made.members(OTHERS)
    assert settle(made) == [Step(SHARED), Step(ORDINARY, ends=True)]
    assert made.held == {SHARED}


def test_when_the_last_other_leaves_it_subscribes_before_it_gives_up_its_share() -> None:
    made = subscriptions(OTHERS)
    settle(made)
    made.members(frozenset())
    assert settle(made) == [Step(ORDINARY), Step(SHARED, ends=True)]
    assert made.held == {ORDINARY}


def test_a_third_bridge_and_the_end_of_one_of_two_change_nothing() -> None:
    made = subscriptions(OTHERS)
    settle(made)
    made.members(OTHERS | {"qala-bridge-3"})
    made.members(frozenset({"qala-bridge-3"}))
    assert settle(made) == []


def test_nothing_is_ended_before_the_answer_that_stands_in_for_it() -> None:
    made = subscriptions(OTHERS)
    settle(made)
    made.members(frozenset())
    made.asked(Step(ORDINARY))
    assert made.next(0) == Step(ORDINARY)  # unanswered, it is asked for again
    made.granted(Step(ORDINARY))
    assert made.next(0) == Step(SHARED, ends=True)


def test_what_may_have_ended_is_subscribed_to_again() -> None:
    made = subscriptions(OTHERS)
    made.asked(Step(SHARED))
    made.granted(Step(SHARED))
    made.asked(Step(ORDINARY, ends=True))  # no answer comes
    made.members(frozenset())
    assert settle(made) == [Step(ORDINARY), Step(SHARED, ends=True)]


def test_a_change_while_an_answer_is_awaited_turns_it_back() -> None:
    made = subscriptions(OTHERS)
    settle(made)
    made.members(frozenset())
    made.asked(Step(ORDINARY))
    made.members(OTHERS)
    made.granted(Step(ORDINARY))
    assert settle(made) == [Step(ORDINARY, ends=True)]
    assert made.held == {SHARED}


@pytest.mark.parametrize("others", [frozenset(), OTHERS])
def test_on_a_new_connection_both_are_asked_for_anew_and_only_the_wanted_one_is_made(
    others,
) -> None:
    made = subscriptions(others)
    first = settle(made)
    made.begin()
    assert made.held == set()
    assert settle(made) == first


@pytest.mark.parametrize("others", [frozenset(), OTHERS])
def test_where_the_wanted_one_is_refused_the_other_is_held_in_its_place(others) -> None:
    made = subscriptions(others)
    wanted = made.wanted
    steps = settle(made, Step(wanted))
    assert steps == [Step(wanted), Step(wanted.other), Step(wanted, ends=True)]
    assert made.held == {wanted.other}
    made.begin()
    assert made.next(0) == Step(wanted)


@pytest.mark.parametrize("others", [frozenset(), OTHERS])
def test_who_may_not_go_over_stays(others) -> None:
    made = subscriptions(others)
    settle(made)
    stays = made.wanted
    made.members(frozenset() if others else OTHERS)
    # whatever the broker has made of what it refused, it ends
    steps = settle(made, Step(stays.other))
    assert steps == [Step(stays.other), Step(stays.other, ends=True)]
    assert made.held == {stays}


def test_a_refused_end_leaves_both_and_is_not_asked_for_again_at_once() -> None:
    made = subscriptions(OTHERS)
    settle(made)
    made.members(frozenset())
    assert settle(made, Step(SHARED, ends=True)) == [Step(ORDINARY), Step(SHARED, ends=True)]
    made.members(OTHERS)
    # whether the share is still there is not known: it is asked for, not taken for granted
    assert settle(made) == [Step(SHARED), Step(ORDINARY, ends=True)]


def test_where_both_are_refused_nothing_is_held_and_nothing_asked() -> None:
    made = subscriptions(OTHERS)
    assert settle(made, Step(SHARED), Step(ORDINARY)) == [Step(SHARED), Step(ORDINARY)]
    assert made.held == set()


@pytest.mark.parametrize("others", [frozenset(), OTHERS])
def test_what_was_refused_is_asked_again_in_a_minute_and_not_sooner(others) -> None:
    made = subscriptions(others)
    wanted = made.wanted
    settle(made, Step(wanted), now_s=10)
    assert made.again_s == 10 + RETRY_S
    assert made.next(made.again_s - 1) is None
    # refused once more, nothing changes but the time
    assert settle(made, Step(wanted), now_s=80) == [Step(wanted), Step(wanted, ends=True)]
    assert made.again_s == 80 + RETRY_S
    assert made.hindered == Step(wanted)
    assert made.held == {wanted.other}
    assert settle(made, now_s=200) == [Step(wanted), Step(wanted.other, ends=True)]
    assert made.settled
    assert (made.hindered, made.again_s) == (None, None)


def test_what_has_no_answer_when_it_is_asked_again_is_asked_until_it_has() -> None:
    made = subscriptions(OTHERS)
    settle(made, Step(SHARED))
    made.asked(Step(SHARED))
    assert made.next(RETRY_S) == Step(SHARED)
    assert made.hindered == Step(SHARED)


def test_a_refusal_matters_only_where_what_it_refuses_is_wanted() -> None:
    made = subscriptions(frozenset())
    settle(made)
    made.members(OTHERS)
    settle(made, Step(SHARED))
    assert made.hindered == Step(SHARED)
    # the others leave: it is alone, and holds just what it wants
    made.members(frozenset())
    assert (made.hindered, made.settled, made.again_s) == (None, True, None)
    made.members(OTHERS)
    assert made.hindered == Step(SHARED)
    assert made.again_s == RETRY_S


def test_a_refused_end_hinders_until_it_is_granted() -> None:
    made = subscriptions(OTHERS)
    settle(made)
    made.members(frozenset())
    settle(made, Step(SHARED, ends=True))
    assert made.held == {ORDINARY}
    assert made.hindered == Step(SHARED, ends=True)
    assert not made.settled
    assert settle(made, now_s=RETRY_S) == [Step(SHARED, ends=True)]
    assert (made.hindered, made.settled) == (None, True)


def test_where_nothing_is_held_no_refusal_is_noted_by_itself() -> None:
    made = subscriptions(OTHERS)
    settle(made, Step(SHARED), Step(ORDINARY))
    assert made.hindered is None
    made.begin()
    assert (made.hindered, made.settled) == (None, False)


class Bridge(RuleBasedStateMachine):
    """A bridge, and a broker that answers, refuses, restarts, is killed and loses the session.

    ``there`` are the subscriptions that the session has indeed, ``saved`` what a kill goes back
    to. A packet reaches the broker at once; whether its answer comes is another matter.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made = Subscriptions()
        self.there: set[How] = set()
        self.saved: set[How] = set()
        self.forbidden: set[Step] = set()
        self.asked: Step | None = None
        self.refuses = False
        self.acknowledged = False
        self.now_s = 0.0

    @initialize(left=st.sets(st.sampled_from(How)))
    def a_session_may_hold_anything_from_before(self, left) -> None:
        self.there, self.saved = set(left), set(left)
        self.made.begin()

    @rule(others=st.sampled_from([None, frozenset(), OTHERS, OTHERS | {"qala-bridge-3"}]))
    def claims_appear_or_vanish(self, others) -> None:
        self.made.members(others)

    @rule(step=st.builds(Step, st.sampled_from(How), st.booleans()))
    def the_access_list_changes(self, step) -> None:
        self.forbidden ^= {step}

    @precondition(lambda self: self.asked is None)
    @rule()
    def ask(self) -> None:
        step = self.made.next(self.now_s)
        if step is None:
            return
        self.made.asked(step)
        self.asked = step
        self.refuses = step in self.forbidden
        if not self.refuses and step.ends:
            self.there.discard(step.how)
        elif not self.refuses:
            self.there.add(step.how)

    @precondition(lambda self: self.asked is not None)
    @rule()
    def the_answer_comes(self) -> None:
        step, self.asked = self.asked, None
        assert step is not None
        if self.refuses:
            self.made.refused(step, self.now_s)
            return
        self.made.granted(step)
        self.acknowledged |= not step.ends

    @precondition(lambda self: self.asked is not None)
    @rule()
    def no_answer_comes_in_time(self) -> None:
        self.asked = None

    @rule(after_s=st.sampled_from([1.0, RETRY_S]))
    def time_passes(self, after_s) -> None:
        self.now_s += after_s

    @rule()
    def the_broker_saves(self) -> None:
        self.saved = set(self.there)

    @rule(lost=st.sampled_from(["the connection", "shares", "what was not saved", "the session"]))
    def connect_again(self, lost) -> None:
        if lost == "shares":
            self.there.discard(SHARED)
        elif lost == "what was not saved":
            self.there = set(self.saved) - {SHARED}
        elif lost == "the session":
            self.there = set()
        self.saved = set(self.there)
        self.asked, self.acknowledged = None, False
        self.made.begin()

    @invariant()
    def what_is_held_is_there(self) -> None:
        assert self.made.held <= self.there

    @invariant()
    def once_acknowledged_one_always_is(self) -> None:
        assert bool(self.made.held) == self.acknowledged
        assert not self.acknowledged or self.there

    @invariant()
    def answers_come_to_an_end_with_only_the_wanted_one_there(self) -> None:
        """Where nothing is forbidden and all is answered, in a minute; on a copy."""
        copy = Bridge.__new__(Bridge)
        copy.__dict__ = {**self.__dict__, "forbidden": set(), "there": set(self.there)}
        copy.made = made = deepcopy(self.made)
        if copy.asked is not None:
            copy.the_answer_comes()
        copy.now_s += RETRY_S
        for _ in range(5):
            copy.ask()
            if copy.asked is not None:
                copy.the_answer_comes()
        assert made.next(copy.now_s) is None
        assert copy.there == {made.wanted} == made.held
        assert made.settled
        assert made.hindered is None

    @invariant()
    def whoever_does_not_go_on_is_settled_or_knows_why_and_when(self) -> None:
        made = self.made
        if self.asked is None and made.held and made.next(self.now_s) is None:
            assert made.settled != (made.hindered is not None)
            assert made.settled == (made.again_s is None)
            assert made.again_s is None or self.now_s < made.again_s <= self.now_s + RETRY_S


TestAnyOrder = Bridge.TestCase
TestAnyOrder.settings = settings(stateful_step_count=30)
