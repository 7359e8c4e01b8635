"""Changes of inputs that keep their form most of the time, which random bytes seldom have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.fuzz.intake import SEPARATOR

_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[\[\]{}:,]|[a-zA-Z]+|\s+|.', re.DOTALL
)
_VALUES: Final = (
    b"null", b"true", b"false", b"0", b"-0", b"-1", b"1.0", b"1e2", b"0.5", b"12.5", b"101",
    b"1e999999", b"-1e400", b"1e-400", b"4294967295", b"4294967296", b"9007199254740991",
    b"9007199254740992", b"9223372036854775807", b"9223372036854775808", b"1767225600000",
    b"1767225605124", b"1577836800000", b"1577836799999", b"99999999999999999999999",
    b'""', b'"x"', b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"a\\nb"',
    b'"\xf0\x9f\x98\x80"', b'"\xff"', b"{}", b"[]", b"[[]]", b'{"person":"someone-else"}',
    b"NaN", b"-Infinity", b"01",
    b'"' + b"y" * 64 + b'"', b'"' + b"y" * 65 + b'"', b'"' + b"y" * 129 + b'"', b"1" * 400,
)  # fmt: skip
_LEVELS: Final = (
    b"qala", b"v1", b"camera", b"thermometer", b"ionizer", b"speaker", b"desk", b"telemetry",
    b"status", b"reply", b"command", b"", b"-a", b"A", b"a" * 63, b"a" * 64, b"a\n", b"\xc3\xa4",
)  # fmt: skip


class Mutator:
    """Changes an input of a target, token by token; ``topics`` says that it begins with one."""

    def __init__(self, words: Sequence[bytes], *, topics: bool) -> None:
        self._words = words
        self._values = (*_VALUES, *(b'"' + word + b'"' for word in words if b'"' not in word))
        self._topics = topics

    def __call__(self, data: bytes, most: int, seed: int) -> bytes:
        """A changed input of at most ``most`` bytes; the same ``seed`` gives the same."""
        random = Random(seed)
        if not data or random.random() < 0.3:
            return self._bytes(data, random)[:most]
        if not self._topics:
            return (data[:1] + self._json(data[1:], random))[:most]
        head, separator, payload = data.partition(SEPARATOR)
        if separator and random.random() < 0.85:
            return (head + separator + self._json(payload, random))[:most]
        levels = head[1:].split(b"/")
        levels[random.randrange(len(levels))] = random.choice(_LEVELS)
        flags = random.choice(b"01234567").to_bytes()
        return (flags + b"/".join(levels) + separator + payload)[:most]

    def _bytes(self, data: bytes, random: Random) -> bytes:
        """Some bytes of it replaced by fewer, more, or others."""
        begin = random.randrange(len(data) + 1)
        end = min(len(data), begin + random.choice((0, 0, 1, 1, 4, 40)))
        new = random.choice(
            (b"", random.randbytes(1), random.choice(self._words), data[end : begin + 90])
        )
        return data[:begin] + new + data[end:]

    def _json(self, text: bytes, random: Random) -> bytes:
        tokens = _TOKEN.findall(text) or [b""]
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            self._change(tokens, random)
        return b"".join(tokens)

    def _change(self, tokens: list[bytes], random: Random) -> None:
        at = random.randrange(len(tokens))
        way = random.randrange(6)
        if way == 0:
            tokens[at] = random.choice(self._values)
        elif way == 1 and len(tokens) > 1:
            del tokens[at]
        elif way == 2:
            tokens.insert(at, tokens[random.randrange(len(tokens))])
        elif way == 3:
            other = random.randrange(len(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif way == 4:
            end = min(len(tokens), at + random.randrange(1, 30))
            tokens[at:at] = tokens[at:end]
        else:
            places = [n for n, token in enumerate(tokens) if token[:1] in b'"-0123456789']
            tokens[random.choice(places or [at])] = random.choice(self._values)
