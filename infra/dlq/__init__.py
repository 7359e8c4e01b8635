"""Dead letters: what was rejected, shown, exported, and replayed after a mend."""

from infra.dlq.errors import DeadLetterError, ExportError, MomentError, RefError
from infra.dlq.filters import Filter, moment_ms
from infra.dlq.letters import Letter, Ref, parse_ref
from infra.dlq.topic import LetterTopic, open_letters

__all__ = [
    "DeadLetterError",
    "ExportError",
    "Filter",
    "Letter",
    "LetterTopic",
    "MomentError",
    "Ref",
    "RefError",
    "moment_ms",
    "open_letters",
    "parse_ref",
]
