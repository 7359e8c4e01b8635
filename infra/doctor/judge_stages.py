"""What is well and what is not with the stages of a data folder."""

from __future__ import annotations

from collections import Counter

from infra.doctor.ask_stages import StageSeen, StagesSeen
from infra.doctor.finding import Finding, Findings


def judge_stages(seen: StagesSeen) -> list[Finding]:
    """Findings of the part ``stages``."""
    found = Findings("stages")
    for record in seen.troubled:
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
    again = f"`{command(stage)}`"
    if not stage.alive and stage.ended:
        start = "`qala up` again (Ctrl-C ends it in order)" if stage.kept else f"it with {again}"
        found.problem(stage.name, f"it ended: {stage.ended}", f"mend that, and start {start}")
    elif not stage.alive and stage.kept:
        found.warning(
            stage.name,
            "it was killed, and `qala up` is about to start it again",
            f"look again in some seconds; where it stays so, see {stage.log}",
        )
    elif not stage.alive:
        found.problem(
            stage.name,
            "it was killed, and left no word",
            f"start it again with {again}; the kernel's log says whether memory ran out",
        )
    elif stage.reasons is None:
        then = "`qala up` does that, too, after 30 s" if stage.kept else f"start it with {again}"
        found.problem(
            stage.name,
            f"it runs (pid {stage.pid}), and its /ready does not answer",
            f"see {stage.log}; where it hangs, end it with `kill -9 {stage.pid}`: {then}",
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
