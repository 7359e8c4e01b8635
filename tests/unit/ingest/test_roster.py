"""Who of the bridges lives, by claims and beats."""

from __future__ import annotations

from ingest.roster import ABSENT_AFTER_S, BEAT_S, Members

NORTH = "qala/bridge/qala-bridge-north"
SOUTH = "qala/bridge/qala-bridge-south"
OWN = "qala/bridge/qala-bridge-1"
LATER = ABSENT_AFTER_S + 0.1


def members(**claimed_s: float) -> Members:
    made = Members("qala-bridge-1")
    for name, at_s in claimed_s.items():
        made.take(f"qala/bridge/qala-bridge-{name}", b"token", at_s)
    return made


def test_a_claim_without_beats_is_an_absent_bridge_after_a_while() -> None:
    seen = members(north=0)
    assert seen.absent(ABSENT_AFTER_S) == set()
    assert seen.absent(LATER) == {"north"}


def test_who_beats_is_not_absent_and_is_again_when_the_beats_end() -> None:
    seen = members(north=0, south=0)
    seen.take(f"{NORTH}/beat", b"token", 9)
    assert seen.absent(LATER) == {"south"}
    assert seen.absent(9 + LATER) == {"north", "south"}


def test_who_took_its_claim_back_is_not_missed_not_even_for_a_late_beat() -> None:
    seen = members(north=0)
    seen.take(NORTH, b"", 1)
    seen.take(f"{NORTH}/beat", b"token", 2)
    assert seen.absent(100) == set()


def test_a_bridge_does_not_miss_itself() -> None:
    seen = members()
    seen.take(OWN, b"token", 0)
    assert seen.absent(100) == set()


def test_a_new_claim_of_an_absent_one_counts_as_a_sign_of_life() -> None:
    seen = members(north=0)
    seen.take(NORTH, b"another", 50)
    assert seen.absent(51) == set()


def test_others_are_unknown_until_the_own_claim_has_come_back() -> None:
    seen = members(north=0)
    assert seen.others is None
    seen.take(f"{OWN}/beat", b"token", 1)  # beats may be read, claims may not
    assert seen.others is None
    seen.take(OWN, b"token", 2)
    assert seen.others == {"qala-bridge-north"}


def test_a_broker_that_lets_nothing_through_is_noticed_and_so_is_its_mend() -> None:
    seen = members()
    seen.take(OWN, b"token", 0)
    for _ in range(int(ABSENT_AFTER_S / BEAT_S)):
        assert not seen.silent
        assert seen.others == frozenset()
        seen.beat()
    assert seen.silent
    assert seen.others is None
    seen.take(f"{OWN}/beat", b"token", 20)
    assert not seen.silent
    assert seen.others == frozenset()


def test_beats_alone_do_not_say_that_claims_can_be_read() -> None:
    seen = members()
    for _ in range(int(ABSENT_AFTER_S / BEAT_S)):
        seen.beat()
        seen.take(f"{OWN}/beat", b"token", 1)
    assert seen.silent


def test_what_others_say_is_no_proof_of_the_own_beats() -> None:
    seen = members(north=0)
    seen.take(OWN, b"token", 0)
    for _ in range(int(ABSENT_AFTER_S / BEAT_S)):
        seen.beat()
        seen.take(f"{NORTH}/beat", b"token", 1)
    assert seen.silent
