"""The AsyncAPI 3.0 document: which channel carries what, over MQTT and over Kafka.

Payloads refer to the JSON Schemas beside the document. It is written from Qala's side:
``receive`` is what it takes in, ``send`` what it gives out.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from schemas import topics
from schemas.jsonschemas import ID

Node = dict[str, Any]

FILE: Final = "asyncapi.json"
CONTRACT_VERSION: Final = "1.0.0"

_JSON: Final = "application/json"


class _Topic(NamedTuple):
    """One Kafka topic: what it is for, its key, and the message that it carries, if published."""

    name: str
    description: str
    key: str | None
    payload: str | None = None
    headers: str | None = None
    content: str = _JSON


_KAFKA: Final = (
    _Topic(
        topics.TELEMETRY,
        "Envelopes: newline-delimited JSON, each line as the payload's schema says. One without "
        "lines is a tick. Timestamps are the broker's (LogAppendTime). Kept for 7 days.",
        None,
        "envelope-line.json",
        "envelope-headers.json",
        "application/x-ndjson",
    ),
    _Topic(
        topics.ROLLUPS,
        "Closed windows, late partials, throughput, and how far the worker has come. A consumer "
        "leaves out rows that it does not know. Kept for 2 days.",
        "series and window",
        "rollups.json",
    ),
    _Topic(
        topics.ALERTS,
        "State changes of alerts. Compacted, and kept for 90 days.",
        "alert id",
        "alert.json",
    ),
    _Topic(topics.DEVICES, "State of each device. Compacted.", "site/device", "device.json"),
    _Topic(
        topics.COMMANDS,
        "The life cycle of commands. Compacted, and kept for 30 days. Version 1 names the topic "
        "and its key; it publishes no value.",
        "command id",
    ),
    _Topic(
        topics.DEAD_LETTERS,
        "Rejected input: the rejected bytes, and in the headers why. Kept for 30 days.",
        None,
        None,
        "dead-letter-headers.json",
        "application/octet-stream",
    ),
    _Topic(topics.STATE, "The worker's state: internal, no promise. Compacted.", "site and chunk"),
    _Topic(
        topics.CHAT,
        "What each chat channel has taken. Compacted, and kept for 30 days.",
        "channel and message id",
        "chat-receipt.json",
    ),
)

_MQTT: Final[dict[str, tuple[str, str]]] = {
    "telemetry": ("receive", "Readings of a device, QoS 1; at most 256 KiB a message."),
    "status": ("receive", "Whether the device is there: retained, and its last will."),
    "reply": ("receive", "A device's steps in answer to a command, QoS 1."),
    "command": ("send", "What Qala asks of a device, QoS 1; expires as the message says."),
}


def asyncapi_document() -> Node:
    """The whole document."""
    channels: Node = {}
    operations: Node = {}
    messages: Node = {}
    for channel, (action, description) in _MQTT.items():
        channels[channel] = _mqtt_channel(channel, description)
        operations[f"{action}{channel.capitalize()}"] = _mqtt_operation(channel, action)
        messages[channel] = {
            "name": channel,
            "contentType": _JSON,
            "payload": {"$ref": f"{channel}.json"},
        }
    for topic in _KAFKA:
        name = _camel(topic.name)
        channels[name] = _kafka_channel(topic)
        message = _kafka_message(topic)
        if message is not None:
            messages[name] = message
            operations[f"send{name[0].upper()}{name[1:]}"] = {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Qala",
            "version": CONTRACT_VERSION,
            "description": "Telemetry of a city: what devices send over MQTT, and what lands in "
            "Kafka. The contract in words is docs/contract.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": _servers(),
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "parameters": _parameters()},
    }


def _servers() -> Node:
    return {
        "mqtt": {
            "host": "127.0.0.1:1883",
            "protocol": "mqtt",
            "protocolVersion": "5.0",
            "description": "Mosquitto, as `qala up` starts it.",
        },
        "kafka": {
            "host": "127.0.0.1:9092",
            "protocol": "kafka",
            "description": "Apache Kafka, as `qala up` starts it.",
        },
    }


def _parameters() -> Node:
    form = f"Matches `{ID['pattern']}`."
    return {
        "site": {"description": f"Where the device is. {form}", "examples": ["stop-1"]},
        "kind": {"description": "What the device is.", "enum": list(topics.KINDS)},
        "device": {"description": f"Its name within the site. {form}", "examples": ["ion-1"]},
    }


def _mqtt_channel(channel: str, description: str) -> Node:
    return {
        "address": topics.mqtt_topic("{site}", "{kind}", "{device}", channel),
        "description": description,
        "servers": [{"$ref": "#/servers/mqtt"}],
        "parameters": {
            name: {"$ref": f"#/components/parameters/{name}"} for name in ("site", "kind", "device")
        },
        "messages": {channel: {"$ref": f"#/components/messages/{channel}"}},
    }


def _mqtt_operation(channel: str, action: str) -> Node:
    binding: Node = {"qos": 1, "bindingVersion": "0.2.0"}
    if action == "send":
        binding["retain"] = False
    if channel == "status":
        binding["retain"] = True
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "bindings": {"mqtt": binding},
    }


def _kafka_channel(topic: _Topic) -> Node:
    node: Node = {
        "address": topic.name,
        "description": topic.description,
        "servers": [{"$ref": "#/servers/kafka"}],
    }
    if topic.payload or topic.headers:
        name = _camel(topic.name)
        node["messages"] = {name: {"$ref": f"#/components/messages/{name}"}}
    return node


def _kafka_message(topic: _Topic) -> Node | None:
    if not (topic.payload or topic.headers):
        return None
    node: Node = {"name": topic.name, "contentType": topic.content}
    if topic.headers:
        node["headers"] = {"$ref": topic.headers}
    if topic.payload:
        node["payload"] = {"$ref": topic.payload}
    if topic.key:
        key = {"type": "string", "description": topic.key}
        node["bindings"] = {"kafka": {"key": key, "bindingVersion": "0.5.0"}}
    return node


def _camel(topic: str) -> str:
    """``qala.dead-letters.v1`` as ``kafkaDeadLetters``."""
    words = topic.split(".")[1].split("-")
    return "kafka" + "".join(word.capitalize() for word in words)
