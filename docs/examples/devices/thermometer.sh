#!/usr/bin/env bash
# A thermometer: one reading for each number (°C) on standard input.
#   SITE=hall-1 DEVICE=t-1 ./thermometer.sh < numbers
# Where the broker is, and user, password and CA, stand in ~/.config/mosquitto_pub, one option of
# mosquitto_pub a line, so that no password is on a command line.
set -euo pipefail
topic="qala/v1/$SITE/thermometer/$DEVICE"
boot=$(date +%s) # no memory of the last boot is needed: this is always greater
publish=(mosquitto_pub -V 5 -q 1)

now_ms() { date +%s%3N; }
status() { printf '{"state":"%s","ts":%s,"boot":%s}' "$1" "$(now_ms)" "$boot"; }

readings() {
  local seq=0 celsius
  while read -r celsius; do
    printf '{"type":"temperature","ts":%s,"boot":%s,"seq":%s,"celsius":%s}\n' \
      "$(now_ms)" "$boot" "$((seq++))" "$celsius"
  done
}

"${publish[@]}" -r -t "$topic/status" -m "$(status online)"
# One connection for all lines; when it breaks, the broker publishes the last will.
readings | "${publish[@]}" -l -t "$topic/telemetry" \
  --will-topic "$topic/status" --will-payload "$(status offline)" --will-qos 1 --will-retain
"${publish[@]}" -r -t "$topic/status" -m "$(status offline)"
