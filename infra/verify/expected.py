"""What a ledger promises: each distinct valid reading as a name and a fingerprint of its row.

Both are 64-bit hashes, so that a million readings take some 150 MB; names in clear are found
by reading the ledger a second time, only where something is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from infra.ledger import Entry, Ledger
from schemas.measurements import TAG_FIELDS, fields_of, timestamp_ns

_CONVERT: Final[dict[str, Callable[[Any], object]]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
}
_PERSON: Final = "person"
_DEFAULTS: Final = {"subject": "ambient"}


class Name(NamedTuple):
    """A reading's name: ``ts`` (ms, the device's own) tells generations apart."""

    site: str
    device: str
    type: str
    boot: int
    seq: int
    ts: int

    def __str__(self) -> str:
        return f"{self.site}/{self.device} {self.type} boot {self.boot} seq {self.seq} ts {self.ts}"


class Expected:
    """Everything a ledger says, gathered in one pass over it."""

    def __init__(self, ledger: Ledger) -> None:
        """Read the ledger. Raises `LedgerError` where it is none."""
        self.ledger = ledger
        self.rows: dict[tuple[str, str], dict[int, int]] = {}
        """By (type, site): name hash to row hash."""
        self.letters: Counter[str] = Counter()
        """Dead letters that must come, by MQTT topic."""
        self.repeats: Counter[str] = Counter()
        """Further dead letters that may come, as their message was sent more than once."""
        self.topics: set[str] = set()
        """Every MQTT topic that was published to."""
        self.persons: set[str] = set()
        """Ids of persons that were sent; none of them may be stored."""
        self.messages = self.sent = self.distinct = 0
        for entry in ledger.entries():
            self._take(entry)
        self.complete = ledger.footer is not None

    def _take(self, entry: Entry) -> None:
        self.messages += 1
        self.topics.add(entry.topic)
        if entry.rejected:
            self.letters[entry.topic] += entry.rejected
            self.repeats[entry.topic] += entry.rejected * (entry.times - 1)
        for name, reading in readings_of(entry):
            self.sent += 1
            group = self.rows.setdefault((name.type, name.site), {})
            key = hash(name)
            if key not in group:
                self.distinct += 1
                group[key] = sent_fingerprint(name.type, reading, entry.meant != "wrong_clock")
            if _PERSON in reading:
                self.persons.add(reading[_PERSON])

    @property
    def duplicates(self) -> int:
        """Valid readings that were sent again."""
        return self.sent - self.distinct

    @property
    def rejected(self) -> int:
        """Dead letters that must come."""
        return self.letters.total()


def readings_of(entry: Entry) -> Iterator[tuple[Name, dict[str, Any]]]:
    """The readings of a message that are to be accepted, with their names."""
    if entry.readings:
        _, _, site, _, device, _ = entry.topic.split("/")
        for one in entry.accepted():
            yield Name(site, device, one["type"], one["boot"], one["seq"], one["ts"]), one


def sent_fingerprint(reading_type: str, reading: dict[str, Any], believed: bool) -> int:  # noqa: FBT001
    """A hash of all values that the row of ``reading`` must hold, with their types.

    A person's id is stored as a pseudonym, so only its presence counts.
    """
    tags = [str(reading.get(tag, _DEFAULTS.get(tag))) for tag in TAG_FIELDS[reading_type]]
    return hash(repr((tags, believed, _values(reading_type, reading))))


def _values(reading_type: str, held: dict[str, Any]) -> list[object]:
    values: list[object] = []
    for field in fields_of(reading_type):
        value = held.get(field.name)
        if value is not None:
            value = True if field.name == _PERSON else _CONVERT[field.kind](value)
        values.append(value)
    return values


def row_name(reading_type: str, row: dict[str, Any]) -> Name:
    """Which reading a stored row is of; its ``ts`` is reckoned back from the row's time."""
    boot, seq, ts = row["boot"], row["seq"], row.get("device_ts")
    if ts is None:
        ts, rest = divmod(row["time"] - timestamp_ns(0, boot, seq), 1_000_000)
        if rest:
            ts = -1  # not the timestamp that the contract gives to any reading of this name
    return Name(row["site"], row["device"], reading_type, boot, seq, ts)


def row_fingerprint(reading_type: str, row: dict[str, Any]) -> int:
    """As `sent_fingerprint`, of a stored row."""
    tags = [str(row.get(tag)) for tag in TAG_FIELDS[reading_type]]
    believed = row.get("device_ts") is None
    return hash(repr((tags, believed, _values(reading_type, row))))


def field_types(reading_type: str) -> dict[str, str]:
    """What ``SHOW FIELD KEYS`` must say: field name to its type in InfluxDB."""
    names = {"int": "integer", "float": "float", "bool": "boolean", "str": "string"}
    kinds = {field.name: names[field.kind] for field in fields_of(reading_type)}
    return {**kinds, "boot": "integer", "seq": "integer", "device_ts": "integer"}
