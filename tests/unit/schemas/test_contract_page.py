"""docs/contract.md, where it repeats what the code holds."""

from __future__ import annotations

import re
from pathlib import Path

from schemas import topics
from schemas.deadletters import EXPLAINED, Reason
from schemas.readings import READING_STRUCTS

PAGE = (Path(__file__).parents[3] / "docs" / "contract.md").read_text(encoding="utf-8")


def test_the_page_lists_every_reason_with_its_meaning():
    section = PAGE.split("### Reason codes")[1]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))
    assert listed == {str(code): meaning for code, meaning in EXPLAINED.items()}


def test_every_reason_is_explained():
    assert EXPLAINED.keys() == set(Reason)


def test_the_page_lists_every_kafka_topic_and_reading_type():
    first_cells = set(re.findall(r"^\| `([\w.-]+)` \|", PAGE, re.MULTILINE))
    assert first_cells >= {*topics.ALL_TOPICS, *READING_STRUCTS}
