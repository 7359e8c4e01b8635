"""What to do about a server that does not answer, where `qala up` has to do with it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TypeVar

from infra.doctor.finding import Away
from infra.supervisor.ownership import supervisor_record
from infra.supervisor.records import SUPERVISOR, log_file, read_processes, run_folder

_T = TypeVar("_T")


def with_stack(seen: _T | Away, data: Path, server: str, *, here: bool) -> _T | Away:
    """``seen``; of an absent server of ``data``, with the mend that fits how `qala up` stands.

    ``server`` is its name in `qala ps`; ``here`` says whether its address is this machine's.
    """
    if not isinstance(seen, Away) or not seen.absent or not here:
        return seen
    folder, log = run_folder(data), log_file(data, server)
    given = f"--data {shlex.quote(str(data))}"
    if supervisor_record(folder) is None:
        if not log_file(data, SUPERVISOR).exists():
            return seen  # no `qala up` has ever run here
        return Away(seen.what, f"start everything with `qala up {given}`")
    for record in read_processes(folder):
        if record.name == server and record.process is not None and record.alive():
            return Away(
                f"{seen.what}; it runs (pid {record.process.pid}) and does not answer",
                f"see {log}; where it hangs, end it with `kill -9 {record.process.pid}`, and "
                "`qala up`, which runs on this folder, starts it again",
            )
    return Away(seen.what, f"`qala up` runs on this folder and starts it again; see {log}")
