"""One coverage-guided run of one target, in a process of its own: libFuzzer never returns.

``python -m tests.fuzz.guided TARGET tokens|bytes [libFuzzer's options and folders]``, which
`tests.fuzz` starts: inputs are changed token by token by `tests.fuzz.mutate`, or byte by byte by
libFuzzer, which sees what the code compares them with.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(
    include=["ingest", "schemas", "sinks.rows", "streams", "infra.dlq", "infra.ledger"]
):
    from tests.fuzz import seeds
    from tests.fuzz.limits import measure_time
    from tests.fuzz.mutate import Mutator
    from tests.fuzz.targets import TARGETS

MEMORY_EVERY = 500
"""Of so many inputs one is measured for its memory, too."""


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    target = TARGETS[sys.argv[1]]
    runs = 0
    # the MQTT library panics at text that is no UTF-8, and writes that down each time
    sys.unraisablehook = lambda _: None

    def run(data: bytes) -> None:
        nonlocal runs
        runs += 1
        target.check(data, memory=False)
        if runs % MEMORY_EVERY == 0:
            target.check(data, memory=True)

    measure_time()
    arguments = [sys.argv[0], *sys.argv[3:]]
    if sys.argv[2] == "tokens":
        mutator = Mutator(seeds.dictionary(), topics=target.topic)
        atheris.Setup(arguments, run, custom_mutator=mutator)
    else:
        atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
