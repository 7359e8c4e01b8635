"""Errors of the preview: each is one sentence for the user of `qala dashboards preview`."""

from __future__ import annotations


class PreviewError(Exception):
    """A board can't be drawn."""


class AskError(PreviewError):
    """InfluxDB can't be reached, or refuses a board's query."""


class NoSuchBoardError(PreviewError):
    """A board was asked for that there isn't."""


class NoPageError(PreviewError):
    """No site is like the one that was asked for, or nothing at all has a page."""


class UnmaskedError(PreviewError):
    """A signal was asked for as current that nothing can vouch for."""
