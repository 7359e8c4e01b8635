#!/bin/sh
# What Mosquitto needs before it starts: password files, made of the passwords in .env, and a
# listener with TLS where there is a certificate. Safe to repeat: the devices' own passwords are
# left to whoever adds devices.
set -eu
umask 077
passwords=/mosquitto/data/passwords
listeners=/mosquitto/data/listeners
client=/mosquitto/data/health
mkdir -p "$passwords" "$listeners" "$client"

# Hashed from a file: what stands on a command line is seen by every process.
write() { # file, then user and password in turn
  file=$passwords/$1
  shift
  rm -f "$file.new"
  : >"$file.new"
  while [ $# -gt 0 ]; do
    printf '%s:%s\n' "$1" "$2" >>"$file.new"
    shift 2
  done
  [ ! -s "$file.new" ] || mosquitto_passwd -U "$file.new" # it fails on a file without users
  mv "$file.new" "$file"
}

# The health check has a password of its own, which mosquitto_sub reads there. It is made once: this
# runs at each `docker compose up`, while Mosquitto goes on with the password that it has read.
health=$(sed -n 's/^-P //p' "$client/mosquitto_sub" 2>/dev/null || true)
if [ -z "$health" ]; then
  health=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s\n' "-u health" "-P $health" >"$client/mosquitto_sub.new"
  mv "$client/mosquitto_sub.new" "$client/mosquitto_sub"
fi

write bridges bridge "$MQTT_BRIDGE_PASSWORD"
write inside doctor "$MQTT_DOCTOR_PASSWORD" health "$health"
if [ -n "${SIMULATOR_PASSWORD:-}" ]; then
  write simulator simulator "$SIMULATOR_PASSWORD"
else
  write simulator
fi
touch "$passwords/devices"

rm -f "$listeners/tls.conf"
if [ -e /mosquitto/tls/mqtt.crt ]; then
  cat >"$listeners/tls.conf" <<END
# Devices on a network; written at each start, as long as there is a certificate.
listener 8883
certfile /mosquitto/tls/mqtt.crt
keyfile /mosquitto/tls/mqtt.key
tls_version tlsv1.2
allow_anonymous false
password_file $passwords/devices
acl_file /mosquitto/config/devices.acl
use_username_as_clientid true
END
fi
