"""Writing and reading a ledger's file."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import msgspec

from infra.ledger.errors import LedgerError
from infra.ledger.lines import Entry, Footer, Header, Line, decode, encode

if TYPE_CHECKING:
    from infra.simulator.message import Outgoing

_LINES_AT_ONCE: Final = 1000


class LedgerWriter:
    """Writes a ledger; lines are gathered and written 1000 at a time or at `flush`."""

    def __init__(self, path: Path) -> None:
        """Create the file, and its folder.

        Raises:
            LedgerError: it cannot be created.
        """
        self.path = path
        self._lines: list[bytes] = []
        self._messages = self._readings = self._rejected = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _create(path)
        except OSError as exc:
            raise LedgerError(f"ledger '{path}' cannot be written: {exc.strerror}") from exc

    def begin(self, header: Header) -> None:
        """Write the header; it comes before every message."""
        self._lines.append(encode(header))
        self.flush()

    def append(self, message: Outgoing, at_ms: int) -> None:
        """Note a message that was acknowledged at ``at_ms``."""
        text: str | None
        encoded: str | None = None
        try:
            text = message.payload.decode()
        except UnicodeDecodeError:
            text, encoded = None, base64.b64encode(message.payload).decode()
        self._messages += 1
        self._readings += message.readings
        self._rejected += message.rejected
        self._lines.append(
            encode(
                Entry(at_ms, message.topic, text, encoded, message.meant, message.readings,
                      message.rejected, message.bad, message.times)
            )
        )  # fmt: skip
        if len(self._lines) >= _LINES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the system: what was noted survives the process.

        Raises:
            LedgerError: it cannot be written (a full disk).
        """
        self._lines.append(b"")
        try:
            self._file.write(b"\n".join(self._lines))
            self._file.flush()
        except OSError as exc:
            raise LedgerError(f"ledger '{self.path}' cannot be written: {exc.strerror}") from exc
        self._lines.clear()

    def end(self, seconds: float) -> None:
        """Write the totals and close: the run ended in order."""
        self._lines.append(
            encode(Footer(self._messages, self._readings, self._rejected, round(seconds, 3)))
        )
        self.close()

    def close(self) -> None:
        """Close the file; without `end` before, the ledger counts as cut off."""
        if not self._file.closed:
            self.flush()
            self._file.close()


class Ledger:
    """A ledger file to read, as often as needed; one that was cut off is read up to there."""

    def __init__(self, path: Path) -> None:
        """Open the file and read its header.

        Raises:
            LedgerError: there is no such file, or it is not a ledger.
        """
        self.path = path
        self.footer: Footer | None = None
        """The totals; known once `entries` was read to its end, None where it was cut off."""
        first = next(self._lines(), None)
        if not isinstance(first, Header):
            raise LedgerError(f"'{path}' is not a ledger; `qala simulate --ledger` writes one")
        self.header = first

    def entries(self) -> Iterator[Entry]:
        """Every message in the order of acknowledgement.

        Raises:
            LedgerError: a line other than the last one is not a ledger's.
        """
        for line in self._lines():
            if isinstance(line, Entry):
                yield line
            elif isinstance(line, Footer):
                self.footer = line

    def _lines(self) -> Iterator[Line]:
        broken: int | None = None
        for number, raw in enumerate(_read_lines(self.path), 1):
            if broken is not None:
                raise LedgerError(f"ledger '{self.path}': line {broken} is not a ledger's line")
            try:
                yield decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                broken = number  # tolerated where it is the last one: the run was cut off


def _create(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "wb", compresslevel=1))
    return path.open("wb")


def _read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that may end anywhere, in plain or in gzip form."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except (EOFError, zlib.error):
        return
    except OSError as exc:
        raise LedgerError(f"ledger '{path}' cannot be read: {exc.strerror or exc}") from exc
