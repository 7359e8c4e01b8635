"""``kafka-acls.sh --add`` by another client: for machines that have no Kafka tools.

Takes the words of Kafka's tool that infra/deploy/kafka/acls.sh uses, and no others.
"""

from __future__ import annotations

import argparse
import re
from itertools import product
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--command-config", required=True, type=Path)
    parser.add_argument("--add", required=True, action="store_true")
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", required=True, action="append")
    parser.add_argument("--resource-pattern-type", default="literal")
    parser.add_argument("--topic", default=[], action="append")
    parser.add_argument("--group", default=[], action="append")
    parser.add_argument("--cluster", action="store_true")
    return parser.parse_args()


def _operation(name: str) -> AclOperation:
    return AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()]


def _bindings(wanted: argparse.Namespace) -> list[AclBinding]:
    resources = [(ResourceType.TOPIC, name) for name in wanted.topic]
    resources += [(ResourceType.GROUP, name) for name in wanted.group]
    resources += [(ResourceType.BROKER, "kafka-cluster")] if wanted.cluster else []
    return [
        AclBinding(
            *(kind, name, ResourcePatternType[wanted.resource_pattern_type.upper()]),
            *(wanted.allow_principal, "*", _operation(operation), AclPermissionType.ALLOW),
        )
        for (kind, name), operation in product(resources, wanted.operation)
    ]


def _login(properties: Path) -> dict[str, str]:
    text = properties.read_text(encoding="utf-8")
    found = dict(re.findall(r'\b(username|password)="([^"]+)"', text))
    given = dict(line.split("=", 1) for line in text.splitlines())
    return {
        "security.protocol": given["security.protocol"],
        "sasl.mechanism": given["sasl.mechanism"],
        "sasl.username": found["username"],
        "sasl.password": found["password"],
        "ssl.ca.location": given["ssl.truststore.location"],
    }


def _main() -> None:
    wanted = _arguments()
    admin = AdminClient(
        {"bootstrap.servers": wanted.bootstrap_server, **_login(wanted.command_config)}
    )
    for done in admin.create_acls(_bindings(wanted)).values():
        done.result(timeout=20)


if __name__ == "__main__":
    _main()
