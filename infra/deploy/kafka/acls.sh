#!/usr/bin/env bash
# What each of Qala's users may do in Kafka, and nothing else. Run it once, and again after an
# upgrade that says so:
#   infra/deploy/kafka/acls.sh kafka.example.org:9094 admin.properties
# where kafka-acls.sh is on the path, and admin.properties holds a super user's login.
set -euo pipefail

allow() { # user, then kafka-acls.sh's own words
  kafka-acls.sh --bootstrap-server "$bootstrap" --command-config "$login" --add \
    --allow-principal "User:$1" "${@:2}"
}
bootstrap=$1
login=$2

allow bridge --operation Write --topic qala.telemetry.v1 --topic qala.dead-letters.v1

allow streams --operation Read --group qala-streams
allow streams --operation Read --topic qala.telemetry.v1 --topic qala.state.v1
allow streams --operation Write --topic qala.rollups.v1 --topic qala.alerts.v1 \
  --topic qala.devices.v1 --topic qala.dead-letters.v1 --topic qala.state.v1

allow sinks --operation Read --group qala-sink-influx
# one for each messenger: qala-sink-chat.NAME
allow sinks --operation Read --resource-pattern-type prefixed --group qala-sink-chat
allow sinks --operation Read --topic qala.telemetry.v1 --topic qala.rollups.v1 \
  --topic qala.alerts.v1 --topic qala.devices.v1 --topic qala.dead-letters.v1 --topic qala.chat.v1
allow sinks --operation Write --topic qala.dead-letters.v1 --topic qala.chat.v1

# Whoever looks into it: `qala dlq`, `devices`, `doctor`.
allow operator --operation Read --operation DescribeConfigs --resource-pattern-type prefixed \
  --topic qala.
allow operator --operation Describe --resource-pattern-type prefixed --group qala-
allow operator --operation DescribeConfigs --cluster
