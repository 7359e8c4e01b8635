#!/bin/sh
# Prints a .env for compose.yaml with secrets of its own, made anew each time. In the project's
# folder, once:
#   (umask 077 && infra/deploy/compose/secrets.sh > .env)
set -eu
secret() { printf '%s=%s\n' "$1" "$(openssl rand -hex 32)"; }

cat <<END
# Secrets of this installation, for compose.yaml. Keep a copy where the machine's fire doesn't
# reach: with another QALA_PERSON_KEY the same person gets another pseudonym, and sealed dead
# letters stay closed. docs/installing.md says how each is changed.
END
secret QALA_PERSON_KEY
secret INFLUX_ADMIN_PASSWORD
secret INFLUX_ADMIN_TOKEN
secret GRAFANA_ADMIN_PASSWORD
secret MQTT_BRIDGE_PASSWORD
secret MQTT_DOCTOR_PASSWORD
cat <<END

# Where alerts are told: Apprise URLs, separated by commas. Without any they go to a file.
QALA_CHAT_URLS=

# Where devices on a network reach MQTT with TLS (port 8883): this machine's address, or 0.0.0.0.
# Needs mqtt.crt and mqtt.key in infra/deploy/compose/tls.
MQTT_TLS_ADDRESS=

# For the simulated city (docker compose --profile demo up). Where it is empty, the simulator is
# not let in. In the place of a real city, never beside one.
SIMULATOR_PASSWORD=
END
