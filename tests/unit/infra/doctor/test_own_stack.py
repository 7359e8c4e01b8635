"""The mend of a server that does not answer, by what `qala up` does on the data folder."""

from __future__ import annotations

import os
from pathlib import Path

from infra.doctor.finding import Away
from infra.doctor.own_stack import with_stack
from infra.supervisor.identity import identify
from infra.supervisor.records import (
    SUPERVISOR,
    ProcessRecord,
    log_file,
    run_folder,
    write_record,
)

ABSENT = Away("Kafka at x does not answer", "start it (`qala servers up`)", absent=True)


def mend(data: Path) -> tuple[str, str]:
    found = with_stack(ABSENT, data, "kafka", here=True)
    return found.what, found.mend


def runs(data: Path, name: str) -> None:
    record = ProcessRecord(name=name, state="ready", since=0, process=identify(os.getpid()))
    write_record(run_folder(data), record)


def test_a_server_that_hangs_under_a_living_up_is_named_with_its_pid_and_log(
    tmp_path: Path,
) -> None:
    runs(tmp_path, SUPERVISOR)
    runs(tmp_path, "kafka")
    what, todo = mend(tmp_path)
    assert f"it runs (pid {os.getpid()}) and does not answer" in what
    assert str(log_file(tmp_path, "kafka")) in todo
    assert "servers up" not in todo


def test_a_server_that_ended_under_a_living_up_is_left_to_it(tmp_path: Path) -> None:
    runs(tmp_path, SUPERVISOR)
    what, todo = mend(tmp_path)
    assert what == ABSENT.what
    assert todo.startswith("`qala up` runs on this folder and starts it again")


def test_with_everything_down_on_a_folder_of_up_the_mend_is_up_with_that_folder(
    tmp_path: Path,
) -> None:
    assert mend(tmp_path) == (ABSENT.what, ABSENT.mend)  # no `qala up` was ever here
    log = log_file(tmp_path, SUPERVISOR)
    log.parent.mkdir(parents=True)
    log.touch()
    assert mend(tmp_path)[1] == f"start everything with `qala up --data {tmp_path}`"


def test_a_server_elsewhere_and_one_that_refuses_keep_their_own_mend(tmp_path: Path) -> None:
    runs(tmp_path, SUPERVISOR)
    assert with_stack(ABSENT, tmp_path, "kafka", here=False) == ABSENT
    refused = Away("it refused", "check the password")
    assert with_stack(refused, tmp_path, "kafka", here=True) == refused
