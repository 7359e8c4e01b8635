"""HTML elements as values: whatever isn't made by ``el`` is text, and is escaped."""

from __future__ import annotations

from html import escape
from typing import Final, TypeAlias

_VOID: Final = frozenset({"meta", "br", "col"})


class Html(str):
    """Markup that was escaped where it was made; only `el`, `join` and `raw` make it."""

    __slots__ = ()


Child: TypeAlias = "str | Html | None"
"""What an element holds: text (which is escaped), another element, or nothing."""


def el(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """The element ``name``.

    An attribute's name loses its last underscore (``class_``) and has hyphens for the others
    (``data_state``); True stands alone, False and None are left out.
    """
    head = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        head.append(word if value is True else f'{word}="{escape(str(value), quote=True)}"')
    opened = f"<{' '.join(head)}>"
    return Html(opened if name in _VOID else f"{opened}{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Several things, one after the other."""
    return Html("".join(_text(child) for child in children if child is not None))


def raw(markup: str) -> Html:
    """Markup from a library or a file of ours, taken as it is; never for data."""
    return Html(markup)


def _text(child: str | Html) -> str:
    return child if isinstance(child, Html) else escape(child, quote=False)
