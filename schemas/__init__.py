"""Names, shapes, ranges and units of everything that enters, crosses and leaves Qala.

`schemas.connections` stands apart: it needs pydantic, which is slow to import. So do the
publishing modules, which only ``python -m schemas.publish`` needs.
"""

from schemas.clock import Clock, RealClock, SimulatedClock, parse_clock
from schemas.deadletters import EXPLAINED, Reason
from schemas.envelope import Control, Line, decode_envelope, decode_line, envelope_headers
from schemas.errors import ClockError, ConnectionSettingError, SchemaError, TopicError
from schemas.readiness import Readiness
from schemas.readings import (
    KIND_OF_TYPE,
    READING_STRUCTS,
    Air,
    Audio,
    Command,
    Passage,
    Reading,
    Reply,
    Scene,
    Status,
    Temperature,
    Ticket,
)
from schemas.records import (
    Alert,
    ChatReceipt,
    DeviceRecord,
    Rollup,
    RollupValue,
    Throughput,
    WorkerProgress,
)
from schemas.topics import DeviceTopic, mqtt_topic, parse_mqtt_topic, partition_of

__all__ = [
    "EXPLAINED",
    "KIND_OF_TYPE",
    "READING_STRUCTS",
    "Air",
    "Alert",
    "Audio",
    "ChatReceipt",
    "Clock",
    "ClockError",
    "Command",
    "ConnectionSettingError",
    "Control",
    "DeviceRecord",
    "DeviceTopic",
    "Line",
    "Passage",
    "Readiness",
    "Reading",
    "RealClock",
    "Reason",
    "Reply",
    "Rollup",
    "RollupValue",
    "Scene",
    "SchemaError",
    "SimulatedClock",
    "Status",
    "Temperature",
    "Throughput",
    "Ticket",
    "TopicError",
    "WorkerProgress",
    "decode_envelope",
    "decode_line",
    "envelope_headers",
    "mqtt_topic",
    "parse_clock",
    "parse_mqtt_topic",
    "partition_of",
]
