"""docs/runbooks: what somebody who is woken by an alert looks for is in each of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[3] / "docs" / "runbooks").glob("*.md"))
OF_RULES = [path for path in PAGES if path.stem != "qala-itself"]
PARTS = [
    "What it means",
    "Is it real?",
    "What to do",
    "Whom to call",
    "How to silence it",
]


@pytest.mark.parametrize("path", OF_RULES, ids=lambda path: path.stem)
def test_a_runbook_answers_the_same_five_questions_in_the_same_order(path):
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    assert parts[1::2] == PARTS
    bodies = dict(zip(PARTS, parts[2::2], strict=True))
    assert all(len(body.split()) >= 10 for body in bodies.values())
    assert f"Rule `{path.stem}`, shipped with Qala." in parts[0]


@pytest.mark.parametrize("path", OF_RULES, ids=lambda path: path.stem)
def test_a_runbook_has_a_query_to_look_and_says_when_to_call_whom(path):
    text = path.read_text(encoding="utf-8")
    looking = text.split("## Is it real?")[1].split("\n## ")[0]
    queries = re.findall(r"`(SELECT [^`]+)`", text)
    assert any(query in looking for query in queries)
    assert all("time > now() - " in query for query in queries)
    calling = text.split("## Whom to call")[1].split("\n## ")[0]
    assert re.search(r"night|any hour|\*\*Now\*\*", calling)
    assert re.search(r"officer|technician|team|operator|office|attendant|in charge", calling)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_link_of_a_runbook_leads_to_a_page(path):
    links = re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
