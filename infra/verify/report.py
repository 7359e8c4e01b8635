"""What a verification found, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from infra.tables import HouseTable
from infra.words import count_words

SHOWN: Final = 10
"""So many of what is wrong are named."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The comparison of a ledger with what is stored; counts of readings unless said otherwise.

    ``sent`` = ``valid_distinct`` + ``duplicates``; ``valid_distinct`` = ``stored`` + ``expired``
    + ``lost`` + ``differing``. ``malformed`` is how many dead letters must be there and
    ``rejected`` how many are (None where Kafka was not asked); ``repeated`` of these stand twice
    because the simulator had to send their message twice.
    """

    ledger: str
    messages: int
    sent: int
    valid_distinct: int
    duplicates: int
    malformed: int
    complete: bool
    """Whether the ledger has its last line; where not, the broker may hold more than it says."""
    stored: int = 0
    expired: int = 0
    lost: int = 0
    differing: int = 0
    """Rows whose values, tags or belief in the clock are not those of the reading."""
    unexpected: int = 0
    """Further rows of the simulated devices and their boot."""
    persons_in_clear: int = 0
    rejected: int | None = None
    repeated: int = 0
    missing_letters: int = 0
    unexpected_letters: int = 0
    wrong_types: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    """The first few of each sort of what is wrong."""
    simulated: bool = True

    def note(self, sort: str, name: object) -> None:
        """Name one of what is wrong, among the first few."""
        named = self.names.setdefault(sort, [])
        if len(named) < SHOWN:
            named.append(str(name))

    @property
    def ok(self) -> bool:
        """Whether everything sent is stored as it should be, and nothing else."""
        wrong = (
            self.lost + self.differing + self.persons_in_clear
            + self.missing_letters + len(self.wrong_types)
        )  # fmt: skip
        surplus = self.unexpected + self.unexpected_letters
        return not wrong and not (surplus and self.complete)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "ok": self.ok}

    def title(self) -> str:
        """Whether all is well, in a line."""
        told = "all is well" if self.ok else "NOT as it should be"
        return f"simulated run: {told}" + ("" if self.complete else "; the ledger was cut off")

    def table(self) -> HouseTable:
        """For a terminal; without its title."""
        table = HouseTable(
            ("what", "count", "the first of them"), right=("count",), wraps="the first of them"
        )
        for name, text in (
            ("messages", "messages acknowledged"),
            ("sent", "valid readings sent"),
            ("duplicates", "of these duplicates"),
            ("valid_distinct", "distinct valid readings"),
            ("stored", "stored"),
            ("expired", "expired"),
            ("lost", "lost"),
            ("differing", "stored, but differing"),
            ("unexpected", "unexpected rows"),
            ("persons_in_clear", "persons in the clear"),
            ("malformed", "malformed"),
            ("rejected", "rejected (dead letters)"),
            ("repeated", "of these repeated"),
            ("missing_letters", "dead letters missing"),
            ("unexpected_letters", "dead letters unexpected"),
        ):
            count = getattr(self, name)
            shown = "not asked" if count is None else count_words(count)
            table.add_row(text, shown, "\n".join(self.names.get(name, [])))
        for text in self.wrong_types:
            table.add_row("wrong field type", "", text)
        return table
