"""From MQTT to Kafka: the bridge, the persons' key, and one MQTT 5 connection."""

from ingest.adoption import run_adoption
from ingest.bridge import run_bridge
from ingest.errors import (
    AdoptionError,
    IngestError,
    KafkaFailedError,
    KafkaTopicError,
    MqttError,
    MqttRefusedError,
    PersonKeyError,
    SealError,
    SessionTakenOverError,
)
from ingest.mqtt import MqttLink, connect_mqtt
from ingest.mqtt_options import MqttOptions
from ingest.persons import PersonKey, load_person_key
from ingest.settings import BridgeSettings

__all__ = [
    "AdoptionError",
    "BridgeSettings",
    "IngestError",
    "KafkaFailedError",
    "KafkaTopicError",
    "MqttError",
    "MqttLink",
    "MqttOptions",
    "MqttRefusedError",
    "PersonKey",
    "PersonKeyError",
    "SealError",
    "SessionTakenOverError",
    "connect_mqtt",
    "load_person_key",
    "run_adoption",
    "run_bridge",
]
