"""`qala dlq`: dead letters, shown, exported and replayed."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import Data, Json
from schemas.deadletters import Reason

if TYPE_CHECKING:
    from infra.dlq.filters import Filter
    from infra.dlq.letters import Ref

dlq = typer.Typer(
    help="Dead letters: input that was rejected, with its reason; and its replay after a mend.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

OfReason = Annotated[
    Reason | None,
    typer.Option("--reason", metavar="CODE", help="Only letters with this reason code."),
]
OfTopic = Annotated[
    str | None,
    typer.Option("--topic", metavar="PATTERN", help="Only these MQTT topics (a shell pattern)."),
]
OfSite = Annotated[
    str | None, typer.Option("--site", metavar="PATTERN", help="Only these sites (a pattern).")
]
OfDevice = Annotated[
    str | None,
    typer.Option("--device", metavar="PATTERN", help="Only these devices (a pattern)."),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Only from then on: 90s, 2h or 3d ago, or an ISO time."
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Only before then; as --since.")
]


@dlq.command("list")
def dlq_list(
    *,
    reason: OfReason = None,
    topic: OfTopic = None,
    site: OfSite = None,
    device: OfDevice = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many, at most.")
    ] = 20,
    summary: Annotated[
        bool, typer.Option("--summary", help="Count all of them by reason instead.")
    ] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Print dead letters, the newest first; never what was in them.

    A letter's name is its place in Kafka, `partition/offset`.

    **Examples**

    - `qala dlq list`
    - `qala dlq list --reason out_of_range --site 'stop-*' --since 2h`
    - `qala dlq list --since 2026-01-31 --summary`
    """
    from infra.cli.look_letters import count_letters, list_letters

    now_s = time.time()
    wanted = _filter(
        reason=reason, topic=topic, site=site, device=device, since=since, until=until,
        now_s=now_s,
    )  # fmt: skip
    if summary:
        count_letters(wanted, data=data, as_json=as_json, now_s=now_s)
    else:
        list_letters(wanted, limit, data=data, as_json=as_json, now_s=now_s)


@dlq.command("show")
def dlq_show(
    *,
    ref: Annotated[
        str,
        typer.Argument(metavar="REF", help="PARTITION/OFFSET, as `dlq list` prints it."),
    ],
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Print one dead letter: why, its bytes, and a caret where it went wrong.

    A sealed one (it may hold a person's id) is opened where the bridge's key is at hand:
    `QALA_PERSON_KEY`, or `person.key` in the data folder.

    **Example**

    - `qala dlq show 3/1042`
    """
    from infra.cli.look_letter import show_letter

    show_letter(_refs([ref])[0], data=data, as_json=as_json, now_s=time.time())


@dlq.command("export")
def dlq_export(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where to; replaced where it is there.")
    ],
    reason: OfReason = None,
    topic: OfTopic = None,
    site: OfSite = None,
    device: OfDevice = None,
    since: Since = None,
    until: Until = None,
    unseal: Annotated[
        bool, typer.Option("--open", help="Open sealed ones: the file then holds personal data.")
    ] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Write letters and their bytes into a file, one a line (NDJSON), to keep or to mend.

    In such a line `topic` and `payload` may be edited, for `qala dlq replay --from`. Only you
    can read the file. Sealed letters stay sealed without `--open`.

    **Examples**

    - `qala dlq export --out letters.ndjson --reason wrong_type --since 2d`
    - `qala dlq export --out letters.ndjson --device cam-01 --open`
    """
    from infra.cli.run_letters import export_letters

    wanted = _filter(
        reason=reason, topic=topic, site=site, device=device, since=since, until=until,
        now_s=time.time(),
    )  # fmt: skip
    export_letters(out, wanted, unseal=unseal, data=data, as_json=as_json)


@dlq.command("replay")
def dlq_replay(
    *,
    refs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REF]...", help="Letters, each as PARTITION/OFFSET."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Letters of `dlq export`, perhaps edited."),
    ] = None,
    reason: OfReason = None,
    topic: OfTopic = None,
    site: OfSite = None,
    device: OfDevice = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of each.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Those that were replayed before, too.")
    ] = False,
    unchanged: Annotated[
        bool,
        typer.Option("--all", help="With --from: send the lines that nobody has mended, too."),
    ] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Send letters through the bridge's code again, under their first receive time.

    For letters that were mended in an exported file, or that a newer Qala accepts. Of a file,
    lines that still say what Kafka holds are left alone, unless `--all` is given. Each letter is
    marked, and replayed once unless `--again` is given. What is refused again becomes a new
    letter that names the first. Exit code 1 where one was refused again, or can't be replayed;
    what was left alone is no failure.

    **Examples**

    - `qala dlq replay --from letters.ndjson --dry-run`
    - `qala dlq replay --from letters.ndjson`
    - `qala dlq replay 3/1042 3/1043`
    - `qala dlq replay --reason unknown_type --since 7d`
    """
    from infra.cli.run_letters import replay_letters
    from infra.dlq.replay import Choice

    wanted = _filter(
        reason=reason, topic=topic, site=site, device=device, since=since, until=until,
        now_s=time.time(),
    )  # fmt: skip
    if bool(refs) + wanted.asks + (file is not None) != 1:
        raise typer.BadParameter(
            "say which letters: REFs, or filters such as --reason, or --from FILE; one of the three"
        )
    if unchanged and file is None:
        raise typer.BadParameter("--all is for the lines of a file; give it with --from FILE")
    choice = Choice(_refs(refs or ()), wanted if wanted.asks else None, file, unchanged=unchanged)
    replay_letters(choice, dry_run=dry_run, again=again, data=data, as_json=as_json)


def _filter(
    *,
    now_s: float,
    since: str | None,
    until: str | None,
    reason: Reason | None,
    **patterns: str | None,
) -> Filter:
    from infra.dlq.errors import MomentError
    from infra.dlq.filters import Filter, moment_ms

    now_ms = round(now_s * 1000)
    try:
        since_ms = None if since is None else moment_ms(since, now_ms)
        until_ms = None if until is None else moment_ms(until, now_ms)
    except MomentError as exc:
        raise typer.BadParameter(str(exc)) from exc
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise typer.BadParameter(
            f"--since {since} is not before --until {until}, so nothing lies between; "
            "--since is the earlier of the two"
        )
    return Filter(
        reason=reason.value if reason else None,
        **patterns,
        since_ms=since_ms,
        until_ms=until_ms,
    )


def _refs(texts: list[str] | tuple[str, ...]) -> tuple[Ref, ...]:
    from infra.dlq.errors import RefError
    from infra.dlq.letters import parse_ref

    try:
        return tuple(parse_ref(text) for text in texts)
    except RefError as exc:
        raise typer.BadParameter(str(exc)) from exc
