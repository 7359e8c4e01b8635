"""The little Markdown that boards' texts use: paragraphs, lists, bold, code; no HTML."""

from __future__ import annotations

import re

from dashboards.draw.html import Html, el, join

_INLINE = re.compile(r"\*\*(.+?)\*\*|`(.+?)`")


def prose(markdown: str) -> Html:
    """The text as HTML; whatever isn't understood stays as it is written."""
    blocks = re.split(r"\n\s*\n", markdown.strip())
    return el("div", *(_block(block) for block in blocks), class_="body scrolls prose")


def _block(block: str) -> Html:
    lines = block.splitlines()
    if all(line.lstrip().startswith("- ") for line in lines):
        return el("ul", *(el("li", _inline(line.lstrip()[2:])) for line in lines))
    return el("p", _inline(" ".join(line.strip() for line in lines)))


def _inline(text: str) -> Html:
    parts: list[Html | str] = []
    end = 0
    for found in _INLINE.finditer(text):
        parts.append(text[end : found.start()])
        bold, code = found.groups()
        parts.append(el("strong", bold) if bold is not None else el("code", code))
        end = found.end()
    return join(*parts, text[end:])
