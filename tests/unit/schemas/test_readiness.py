"""Reasons why a stage is not ready."""

from __future__ import annotations

from schemas.readiness import Readiness


def test_a_stage_is_ready_when_every_part_it_named_works():
    readiness = Readiness("mqtt", "kafka")
    assert readiness.reasons == {"mqtt": "starting", "kafka": "starting"}
    readiness.working("mqtt")
    assert not readiness.ready
    readiness.working("kafka")
    assert readiness.ready


def test_the_recovery_of_one_part_does_not_hide_the_trouble_of_another():
    readiness = Readiness()
    readiness.waiting("kafka", "no broker answers")
    readiness.waiting("mqtt", "connection refused")
    readiness.working("mqtt")
    assert not readiness.ready
    assert readiness.reasons == {"kafka": "no broker answers"}


def test_the_newest_reason_of_a_part_stands():
    readiness = Readiness("kafka")
    readiness.waiting("kafka", "no broker answers")
    assert readiness.reasons == {"kafka": "no broker answers"}
    readiness.working("kafka")
    readiness.working("kafka")
    assert readiness.ready


def test_a_reader_cannot_change_the_reasons():
    readiness = Readiness("kafka")
    readiness.reasons.clear()
    assert not readiness.ready


def test_a_note_leaves_a_stage_ready_and_can_be_taken_back():
    readiness = Readiness()
    readiness.note("bridge north", "it is away")
    assert (readiness.ready, readiness.notes) == (True, {"bridge north": "it is away"})
    readiness.notes.clear()
    readiness.note("bridge south", None)
    assert readiness.notes == {"bridge north": "it is away"}
    readiness.note("bridge north", None)
    assert readiness.notes == {}
