"""Figures into a page of the docs: between two comments that name their place."""

from __future__ import annotations

from pathlib import Path


def taken(page: Path, place: str) -> str | None:
    """What stands between ``<!-- place -->`` and ``<!-- /place -->``; None without that place."""
    text = page.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"<!-- {place} -->\n")
    inner, closed, _ = rest.partition(f"<!-- /{place} -->")
    return inner if found and closed else None


def fill(page: Path, place: str, text: str) -> None:
    """Put ``text`` between ``<!-- place -->`` and ``<!-- /place -->``, instead of what is there.

    Raises:
        ValueError: the page has no such place.
    """
    begin, end = f"<!-- {place} -->", f"<!-- /{place} -->"
    whole = page.read_text(encoding="utf-8")
    head, found, rest = whole.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"'{page}' has no place '{place}'; write {begin} and {end} into it")
    page.write_text(f"{head}{begin}\n{text}{end}{tail}", encoding="utf-8")
