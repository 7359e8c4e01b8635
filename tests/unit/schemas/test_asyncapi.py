"""The AsyncAPI document: its references, its shape by the specification, and what it covers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from schemas import publish
from schemas.asyncapi import FILE, asyncapi_document
from schemas.topics import ALL_TOPICS, KINDS

DOCUMENT: dict[str, Any] = asyncapi_document()
KEY = re.compile(r"[A-Za-z0-9._-]+")

# The fields that AsyncAPI 3.0.0 gives each object of which this document has any.
ALLOWED = {
    "": {
        *("asyncapi", "id", "info", "servers", "defaultContentType", "channels"),
        *("operations", "components"),
    },
    "info": {
        *("title", "version", "description", "termsOfService", "contact", "license"),
        *("tags", "externalDocs"),
    },
    "server": {
        *("host", "protocol", "protocolVersion", "pathname", "description", "title", "summary"),
        *("variables", "security", "tags", "externalDocs", "bindings"),
    },
    "channel": {
        *("address", "messages", "title", "summary", "description", "servers", "parameters"),
        *("tags", "externalDocs", "bindings"),
    },
    "operation": {
        *("action", "channel", "title", "summary", "description", "security", "tags"),
        *("externalDocs", "bindings", "traits", "messages", "reply"),
    },
    "message": {
        *("headers", "payload", "correlationId", "contentType", "name", "title", "summary"),
        *("description", "tags", "externalDocs", "bindings", "examples", "traits"),
    },
    "parameter": {"enum", "default", "description", "examples", "location"},
    "components": {
        *("schemas", "servers", "channels", "operations", "messages", "securitySchemes"),
        *("serverVariables", "parameters", "correlationIds", "replies", "replyAddresses"),
        *("externalDocs", "tags", "operationTraits", "messageTraits", "serverBindings"),
        *("channelBindings", "operationBindings", "messageBindings"),
    },
}


def references(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        if "$ref" in node:
            assert node.keys() == {"$ref"}, "a reference has no neighbours"
            yield node["$ref"]
        for item in node.values():
            yield from references(item)


def resolve(reference: str) -> Any:
    """What a reference leads to: a place in the document, or a file beside it."""
    file, _, pointer = reference.partition("#")
    node = json.loads((publish.FOLDER / file).read_bytes()) if file else DOCUMENT
    for step in pointer.split("/")[1:]:
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def objects() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every object whose fields the specification lists: which sort, its name, itself."""
    yield "", "document", DOCUMENT
    yield "info", "info", DOCUMENT["info"]
    yield "components", "components", DOCUMENT["components"]
    for sort, held in (
        ("server", DOCUMENT["servers"]),
        ("channel", DOCUMENT["channels"]),
        ("operation", DOCUMENT["operations"]),
        ("message", DOCUMENT["components"]["messages"]),
        ("parameter", DOCUMENT["components"]["parameters"]),
    ):
        for name, node in held.items():
            yield sort, name, node


def test_the_published_document_is_this_one():
    assert json.loads((publish.FOLDER / FILE).read_bytes()) == DOCUMENT


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_every_reference_resolves(reference):
    assert isinstance(resolve(reference), dict)


@pytest.mark.parametrize("sort, name, node", list(objects()))
def test_every_object_has_only_the_fields_of_the_specification(sort, name, node):
    assert node.keys() <= ALLOWED[sort]
    assert KEY.fullmatch(name)


def test_what_the_specification_requires_is_there():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    for server in DOCUMENT["servers"].values():
        assert server["host"]
        assert server["protocol"]
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["channel"]["$ref"].startswith("#/channels/")


def test_every_parameter_of_an_address_is_described_and_no_other():
    for channel in DOCUMENT["channels"].values():
        wanted = re.findall(r"\{(\w+)\}", channel["address"])
        assert sorted(channel.get("parameters", {})) == sorted(wanted)
    assert DOCUMENT["components"]["parameters"]["kind"]["enum"] == list(KINDS)


def test_the_channels_are_the_topics_of_the_contract():
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == set(ALL_TOPICS) | {
        f"qala/v1/{{site}}/{{kind}}/{{device}}/{channel}"
        for channel in ("telemetry", "status", "reply", "command")
    }


def test_a_channel_is_on_the_server_that_its_address_belongs_to():
    for channel in DOCUMENT["channels"].values():
        server = "mqtt" if "/" in channel["address"] else "kafka"
        assert channel["servers"] == [{"$ref": f"#/servers/{server}"}]


def test_every_channel_with_a_message_has_an_operation():
    used = {operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values()}
    holding = {f"#/channels/{name}" for name, c in DOCUMENT["channels"].items() if "messages" in c}
    assert used == holding


def test_envelopes_and_dead_letters_describe_their_headers():
    messages = DOCUMENT["components"]["messages"]
    envelope = resolve(messages["kafkaTelemetry"]["headers"]["$ref"])
    assert envelope["properties"].keys() == {"bridge", "n", "speed", "left"}
    letter = resolve(messages["kafkaDeadLetters"]["headers"]["$ref"])
    assert letter["properties"].keys() >= {"topic", "rx", "reason", "detail", "bridge", "sealed"}


def test_the_document_names_no_host_but_loopback():
    hosts = {server["host"].split(":")[0] for server in DOCUMENT["servers"].values()}
    assert hosts == {"127.0.0.1"}
