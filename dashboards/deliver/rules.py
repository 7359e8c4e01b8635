"""Alert rules that Grafana judges: what Qala can't say of itself when it is Qala that fails.

Each rule asks InfluxDB, reduces each answer to its last value (a server-side expression, which
gives no data where the query gives none), and compares. What no answer means is the rule's choice:
where ticks are counted, it is the alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from dashboards.grafana import DATASOURCE_TYPE, DATASOURCE_UID
from dashboards.model import LIVE_ABOVE
from dashboards.signals import bridges, chat
from dashboards.signals.liveness import SINK, STREAMS
from dashboards.signals.pipeline import LAG_TOPICS

GROUP: Final = "qala-itself"
GROUP_INTERVAL_S: Final = 30
RUNBOOK: Final = "docs/runbooks/qala-itself.md"
SERVICE: Final = "qala"
"""The label by which a notification policy finds these rules."""
EXPRESSIONS: Final = "__expr__"

_LOOK_BACK_S: Final = 900  # each query bounds its own time; Grafana wants a range all the same
_GROWN: Final = 1000  # records; a busy city's 8 partitions take about a minute to write so many

NoAnswer = Literal["Alerting", "OK"]
Compare = Literal["gt", "lt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrafanaRule:
    """One rule of Grafana's: it fires where ``value`` has been beyond ``limit`` for ``for_s``.

    ``queries`` are InfluxQL by ref id, each bounded in time; ``value`` is the ref id of one of
    them, or math over them (``$A - $B``). ``no_answer`` is what no data, or an error, means.
    """

    uid: str
    title: str
    severity: Literal["critical", "warning"]
    summary: str
    description: str
    queries: dict[str, str]
    value: str
    compare: Compare
    limit: float
    for_s: int
    no_answer: NoAnswer


def _lag(when: str) -> str:
    """Records of all topics that no copy of the sink has written, as a mean of ``when``.

    A query for each topic: a copy tells of those alone in which it has partitions.
    """
    each = ", ".join(
        f'(SELECT mean("lag_{topic}") AS "lag" FROM "raw"."pipeline" '  # noqa: S608 - names of ours
        f'WHERE "stage" = \'sink-influx\' AND {when} GROUP BY "instance")'
        for topic in LAG_TOPICS
    )
    return f'SELECT sum("lag") AS "records" FROM {each}'  # noqa: S608 - as above


_LAG_NOW: Final = _lag("time > now() - 2m")
_LAG_BEFORE: Final = _lag("time > now() - 12m AND time <= now() - 10m")
_SINK_ROWS: Final = (
    'SELECT count("received") AS "rows" FROM "raw"."pipeline" '
    "WHERE \"stage\" = 'sink-influx' AND time > now() - 60s"
)

GRAFANA_RULES: Final = (
    GrafanaRule(
        uid="qala-no-ticks",
        title="Qala: no ticks",
        severity="critical",
        summary="Ticks of the bridges no longer reach InfluxDB",
        description=(
            "The newest tick of at least one partition is older than 10 s: a bridge, Kafka or the "
            "InfluxDB sink stands still. Boards show what depends on it as unknown."
        ),
        queries={"A": SINK.query},
        value="A",
        compare="lt",
        limit=LIVE_ABOVE,
        for_s=60,
        no_answer="Alerting",
    ),
    GrafanaRule(
        uid="qala-worker-behind",
        title="Qala: worker behind",
        severity="critical",
        summary="The worker no longer judges rules in time",
        description=(
            "At least one partition has not been folded up to 10 s ago: alerts, windows and "
            "device states of its sites are late. Where `no ticks` fires too, mend that first."
        ),
        queries={"A": STREAMS.query},
        value="A",
        compare="lt",
        limit=LIVE_ABOVE,
        for_s=60,
        no_answer="Alerting",
    ),
    GrafanaRule(
        uid="qala-lag-growing",
        title="Qala: lag growing",
        severity="warning",
        summary="The InfluxDB sink falls behind: its lag has grown for 10 minutes",
        description=(
            f"Over {_GROWN} records more than 10 minutes ago wait in Kafka to be written. Nothing "
            "is lost while Kafka keeps them (7 days)."
        ),
        queries={
            "A": _LAG_NOW,
            "B": _LAG_BEFORE,
        },
        value="$A - $B",
        compare="gt",
        limit=_GROWN,
        for_s=120,
        # younger than 12 minutes there is nothing to compare with; without a sink, others fire
        no_answer="OK",
    ),
    GrafanaRule(
        uid="qala-sink-silent",
        title="Qala: sink silent",
        severity="critical",
        summary="No copy of the InfluxDB sink has said anything for a minute",
        description=(
            "Counters of the InfluxDB sink come by the wall clock, also where no reading does: "
            "every copy is stopped, or can't write. Kafka keeps what they have not taken."
        ),
        queries={"A": _SINK_ROWS},
        value="A",
        compare="lt",
        limit=1,
        for_s=60,
        no_answer="Alerting",
    ),
    GrafanaRule(
        uid="qala-bridge-absent",
        title="Qala: bridge absent",
        severity="critical",
        summary="A bridge is gone, and its share of the devices' messages waits",
        description=(
            "At least one bridge that ticked in the last 24 hours has not for a minute, and has "
            "neither left for good nor been adopted. Others tick on, so boards are live, but the "
            "broker keeps the absent one's share for it."
        ),
        queries={"A": bridges.absent.query},
        value="A",
        compare="gt",
        limit=0,
        for_s=60,
        # no bridge, or a simulated clock: where there was any, `no ticks` fires
        no_answer="OK",
    ),
    GrafanaRule(
        uid="qala-chat-behind",
        title="Qala: chat behind",
        severity="critical",
        summary="Alerts don't reach a chat",
        description=(
            "At least one chat channel is served by no chat sink, or alerts have waited for it "
            "for minutes: nobody there is told of what fires. Without data, the InfluxDB sink "
            "has not told for minutes who serves the chats."
        ),
        queries={"A": chat.behind.query},
        value="A",
        compare="gt",
        limit=0,
        for_s=120,
        # a city without a chat sink has an answer: that there is no channel
        no_answer="Alerting",
    ),
)


def rule_group(folder_uid: str = "qala") -> dict[str, Any]:
    """All rules as Grafana's alerting API takes them: one group, evaluated every 30 s."""
    return {
        "title": GROUP,
        "folderUid": folder_uid,
        "interval": GROUP_INTERVAL_S,
        "rules": [_api_rule(rule, folder_uid) for rule in GRAFANA_RULES],
    }


def file_group(folder: str) -> dict[str, Any]:
    """All rules as a provisioning file has them: a group in the folder of that title."""
    return {
        "orgId": 1,
        "name": GROUP,
        "folder": folder,
        "interval": f"{GROUP_INTERVAL_S}s",
        "rules": [_rule(rule) for rule in GRAFANA_RULES],
    }


def _api_rule(rule: GrafanaRule, folder_uid: str) -> dict[str, Any]:
    return _rule(rule) | {"orgID": 1, "folderUID": folder_uid, "ruleGroup": GROUP}


def _rule(rule: GrafanaRule) -> dict[str, Any]:
    """What file and API have in common.

    No text here holds a dollar sign but queries and expressions: in a file Grafana takes one
    for the name of a variable, except in those.
    """
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": _CONDITION,
        "data": [*_queries(rule), *_expressions(rule)],
        "noDataState": rule.no_answer,
        "execErrState": rule.no_answer,
        "for": f"{rule.for_s}s",
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook": f"{RUNBOOK}#{rule.uid.removeprefix('qala-')}",
        },
        "labels": {"severity": rule.severity, "service": SERVICE},
    }


_CONDITION: Final = "condition"
_VALUE: Final = "value"


def _queries(rule: GrafanaRule) -> list[dict[str, Any]]:
    source = {"type": DATASOURCE_TYPE, "uid": DATASOURCE_UID}
    return [
        {
            "refId": f"{ref}_rows",
            "datasourceUid": DATASOURCE_UID,
            "relativeTimeRange": {"from": _LOOK_BACK_S, "to": 0},
            "model": {
                "refId": f"{ref}_rows",
                "datasource": source,
                "query": query,
                "rawQuery": True,
                "resultFormat": "time_series",
            },
        }
        for ref, query in rule.queries.items()
    ]


def _expressions(rule: GrafanaRule) -> list[dict[str, Any]]:
    """Each query's last value, the value made of them, and the comparison."""
    reduced = [
        _expression(ref, {"type": "reduce", "expression": f"{ref}_rows", "reducer": "last"})
        for ref in rule.queries
    ]
    value = rule.value
    if value not in rule.queries:
        reduced.append(_expression(_VALUE, {"type": "math", "expression": value}))
        value = _VALUE
    evaluator = {"type": rule.compare, "params": [rule.limit]}
    threshold = {
        "type": "threshold",
        "expression": value,
        "conditions": [{"evaluator": evaluator}],
    }
    return [*reduced, _expression(_CONDITION, threshold)]


def _expression(ref: str, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasourceUid": EXPRESSIONS,
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {
            "refId": ref,
            "datasource": {"type": EXPRESSIONS, "uid": EXPRESSIONS},
            **model,
        },
    }
