"""What is well and what is not with the stages of a data folder."""

from __future__ import annotations

from collections import Counter
from typing import Final

from infra.doctor.ask_stages import StageSeen, StagesSeen
from infra.doctor.finding import Finding, Findings
from infra.words import counted

_OFTEN: Final = 2
"""Restarts up to which an ended stage may have had bad luck."""
_OTHER: Final = "end that other one where it should not be there"


def judge_stages(seen: StagesSeen) -> list[Finding]:
    """Findings of the part ``stages``."""
    found = Findings("stages")
    for record in seen.troubled:
        if record.displaced:
            found.problem(record.name, str(record.reason), _OTHER)
            continue
        found.problem(
            record.name,
            f"`qala up` can't keep it running ({record.reason or record.state})",
            f"see {seen.data / 'logs' / record.name}.log, and mend what it says",
        )
    for stage in seen.stages:
        _stage(found, stage)
    _one_id_each(found, seen.stages)
    if not seen.stages:
        found.unknown(
            "stages",
            f"no stage runs on {seen.data}",
            "start them (`qala up`, or one by one); those of other machines answer there only: "
            "run `qala doctor` there, too",
        )
    return found.made


def _stage(found: Findings, stage: StageSeen) -> None:
    if not stage.alive:
        _ended(found, stage)
    elif stage.reasons is None:
        found.problem(
            stage.name,
            f"it runs (pid {stage.pid}), and its /ready does not answer",
            f"see {stage.log}; where it hangs, end it with `kill -9 {stage.pid}`: {_then(stage)}",
        )
    elif stage.reasons:
        waits = "; ".join(f"{part}: {reason}" for part, reason in stage.reasons.items())
        found.problem(
            stage.name,
            f"it waits for {waits}",
            "mend what is said of that part here; it goes on by itself",
        )
    else:
        found.ok(stage.name, "ready")


def _ended(found: Findings, stage: StageSeen) -> None:
    keeper = stage.keeper
    if keeper is None and stage.ended:
        found.problem(
            stage.name,
            f"it ended: {stage.ended}",
            f"mend that, and start it again with `{command(stage)}`",
        )
    elif keeper is None:
        found.problem(
            stage.name,
            "it was killed, and left no word",
            f"start it again with `{command(stage)}`; the kernel's log says whether memory ran out",
        )
    elif keeper.displaced:
        found.problem(stage.name, str(keeper.reason), _OTHER)
    elif keeper.state == "failed":
        found.problem(
            stage.name,
            f"it ended for good: {stage.ended or keeper.reason}",
            "mend that, and start `qala up` again (Ctrl-C ends it in order)",
        )
    elif keeper.state == "stopped":
        found.unknown(
            stage.name, "`qala up` stops it", "look again when that has stopped everything"
        )
    elif keeper.restarts > _OFTEN:
        found.problem(
            stage.name,
            f"`qala up` has started it {counted(keeper.restarts, 'time')} again; it ended last "
            f"with: {stage.ended or keeper.reason or 'no word'}",
            f"mend that, and see {stage.log}; it is started again all the time",
        )
    else:
        how = f"ended: {stage.ended}" if stage.ended else "was killed"
        found.warning(
            stage.name,
            f"it {how}; `qala up` is about to start it again",
            f"look again in some seconds; where it stays so, see {stage.log}",
        )


def _then(stage: StageSeen) -> str:
    """What follows when a stage that hangs was killed."""
    if stage.keeper is None:
        return f"start it again with `{command(stage)}`"
    if stage.keeper.state == "starting":
        return "`qala up` starts it again"
    return "`qala up` starts it again, and does both by itself when it has hung for 30 s"


def _one_id_each(found: Findings, stages: tuple[StageSeen, ...]) -> None:
    bridges = Counter(s.id for s in stages if s.alive and s.stage == "bridge")
    for bridge, number in bridges.items():
        if number > 1:
            found.problem(
                f"bridge {bridge}",
                f"{number} bridges have this id and take each other's session over",
                "give each an --id of its own; the older one ends by itself",
            )


def command(stage: StageSeen) -> str:
    """The command that starts a stage again: ``sink-influx`` is `qala sink influx`."""
    if stage.stage == "simulator":
        return "qala simulate"
    words = f"qala {stage.stage.replace('-', ' ')}"
    return f"{words} --id {stage.id}" if stage.stage == "bridge" else words
