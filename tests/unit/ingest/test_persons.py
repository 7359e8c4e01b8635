"""The key of persons' ids: pseudonyms, sealing, and the file that it is kept in."""

from __future__ import annotations

import pickle
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import PersonKey, PersonKeyError, SealError, load_person_key

SECRET = "a-key-for-tests-0123456789-abcdefgh"
OTHER = "b-key-for-tests-0123456789-abcdefgh"


def test_a_pseudonym_is_the_same_for_the_same_key_and_person_only() -> None:
    key = PersonKey(SECRET)
    assert key.pseudonym("p-1") == PersonKey(SECRET + "\n").pseudonym("p-1")
    assert len(key.pseudonym("p-1")) == 32
    assert len({key.pseudonym("p-1"), key.pseudonym("p-2"), PersonKey(OTHER).pseudonym("p-1")}) == 3


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_again(plain: bytes) -> None:
    key = PersonKey(SECRET)
    sealed = key.seal(plain)
    assert key.open(sealed, key.sealed) == plain
    assert len(sealed) == len(plain) + 28


def test_sealing_the_same_twice_gives_different_bytes() -> None:
    key = PersonKey(SECRET)
    assert key.seal(b"x") != key.seal(b"x")


def test_another_key_is_told_apart_and_damage_is_noticed() -> None:
    key, other = PersonKey(SECRET), PersonKey(OTHER)
    assert key.sealed != other.sealed
    with pytest.raises(SealError, match=other.sealed):
        other.open(key.seal(b"x"), key.sealed)
    sealed = key.seal(b"x" * 40)
    for damaged in (sealed[:-1], sealed[:5], b"", sealed[:20] + b"!" + sealed[21:]):
        with pytest.raises(SealError, match="damaged"):
            key.open(damaged, key.sealed)


@pytest.mark.parametrize("weak", ["", "   ", "short", "a" * 64, "ab" * 40])
def test_weak_keys_are_refused_without_being_shown(weak: str) -> None:
    with pytest.raises(PersonKeyError, match="too weak") as caught:
        PersonKey(weak)
    assert not weak.strip() or weak.strip() not in str(caught.value)


def test_the_key_is_never_shown() -> None:
    key = PersonKey(SECRET)
    assert SECRET not in repr(key) + str(key) + key.sealed
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


def test_without_a_setting_a_private_key_is_made_once_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "new"
    first = load_person_key(None, data)
    file = data / "person.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_person_key(None, data).sealed == first.sealed
    assert [path.name for path in data.iterdir()] == ["person.key"]


def test_the_setting_comes_before_the_file(tmp_path: Path) -> None:
    load_person_key(None, tmp_path)
    assert load_person_key(SECRET, tmp_path).sealed == PersonKey(SECRET).sealed
    with pytest.raises(PersonKeyError):
        load_person_key("", tmp_path)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_person_key(None, tmp_path)
    (tmp_path / "person.key").chmod(0o644)
    with pytest.raises(PersonKeyError, match="chmod 600"):
        load_person_key(None, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(PersonKeyError, match="QALA_PERSON_KEY"):
        load_person_key(None, tmp_path / "file")
