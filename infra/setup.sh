#!/usr/bin/env bash
# Makes this clone ready to run: .venv with Qala in it, Mosquitto from Debian, Kafka's jars by
# Maven, InfluxDB by Go. What is there already is left alone, so it may be run at any time.
#
# The native servers go into a folder shared by all clones: $QALA_NATIVE, or qala/native in the
# user's cache. Nothing is started, and no service is left running that wasn't before.
set -euo pipefail
set -m # every step in a process group of its own, so that it can be ended as a whole
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=infra/native/versions.env
source infra/native/versions.env
native=${QALA_NATIVE:-${XDG_CACHE_HOME:-$HOME/.cache}/qala/native}
kafka=$native/kafka-$KAFKA_VERSION
influxd=$native/influxd-$INFLUXD_VERSION
stamp=.venv/.qala-setup
sudo=$([ "$(id -u)" = 0 ] || echo 'sudo ')
PATH=$PATH:/usr/local/sbin:/usr/sbin # where Debian keeps mosquitto

say() { printf 'setup: %s\n' "$*"; }
complaints=0
need() { # one sentence for each thing that is missing
  printf 'setup: %s\n' "$*" >&2
  complaints=$((complaints + 1))
}

# --- what is missing -------------------------------------------------------------------------

fingerprint() { # of all that decides what is in .venv; its folder, too: a copied one doesn't work
  { cat requirements.lock pyproject.toml && pwd; } | sha256sum | cut -d ' ' -f 1
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

java_major() { # `openjdk version "17.0.15" ...` or `java version "1.8.0"`
  local java=java
  if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then java=$JAVA_HOME/bin/java; fi
  { "$java" -version 2>&1 || true; } | sed -nE 's/.* version "(1\.)?([0-9]+).*/\2/p' | head -n 1
}

steps=()
if [ ! -x .venv/bin/qala ] || [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint)" ]; then
  steps+=(packages)
  python=$(find_python)
  if [ -z "$python" ]; then
    need "Python 3.11 or newer is missing; install it with: ${sudo}apt-get install -y python3 python3-venv"
  elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "Python's venv is missing; install it with: ${sudo}apt-get install -y python3-venv"
  fi
fi
java=$(java_major)
if [ "${java:-0}" -lt 17 ]; then
  need "Java 17 or newer is missing (found: ${java:-none}); install it with: ${sudo}apt-get install -y openjdk-17-jre-headless"
fi
if [ ! -e "$kafka/lib/kafka_2.13-$KAFKA_VERSION.jar" ]; then
  steps+=(kafka)
  command -v mvn >/dev/null || need "Maven is missing; install it with: ${sudo}apt-get install -y maven"
fi
if [ ! -x "$influxd/influxd" ]; then
  steps+=(influxdb)
  command -v go >/dev/null || need "Go is missing; install it with: ${sudo}apt-get install -y golang-go"
fi
if ! command -v mosquitto >/dev/null || ! command -v mosquitto_pub >/dev/null; then
  steps+=(mosquitto)
  if ! command -v apt-get >/dev/null; then
    need "Mosquitto is missing; install mosquitto 2 and its clients with this system's package manager"
  elif [ "$(id -u)" != 0 ]; then
    need "Mosquitto is missing; install it with: sudo apt-get install -y mosquitto mosquitto-clients"
  fi
fi
[ "$complaints" = 0 ] || exit 1
archive=$kafka/classes.jsa
if [ ${#steps[@]} = 0 ] && [ -e "$archive" ]; then
  say "nothing to do: packages, Mosquitto, Kafka $KAFKA_VERSION and InfluxDB $INFLUXD_VERSION are there"
  exit 0
fi

# --- the steps: each with a title, what to do when it fails, and its commands ----------------

declare -A title=(
  [packages]="Python packages into .venv"
  [mosquitto]="Mosquitto from Debian"
  [kafka]="Kafka $KAFKA_VERSION by Maven"
  [influxdb]="InfluxDB $INFLUXD_VERSION by Go (compiled here: a minute or two)"
)
declare -A mend=(
  [packages]="check that pip reaches its package index, and run make setup again (a .venv that is broken may be deleted first)"
  [mosquitto]="try by hand what failed: ${sudo}apt-get update && ${sudo}apt-get install -y mosquitto mosquitto-clients"
  [kafka]="check that Maven reaches its repository, and run make setup again"
  [influxdb]="check that Go reaches its module proxy, and run make setup again"
)

step_packages() {
  if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    "$python" -m venv --clear .venv
  fi
  rm -f "$stamp"
  local pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input)
  "${pip[@]}" install --quiet --require-hashes -r requirements.lock
  "${pip[@]}" install --quiet --no-deps --no-build-isolation --editable .
  fingerprint >"$stamp"
}

step_mosquitto() {
  local fresh=yes policy=/usr/sbin/policy-rc.d
  command -v mosquitto >/dev/null && fresh=
  if [ ! -e "$policy" ]; then
    # Debian starts a service when it is installed; 101 forbids it for this while
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -y -o DPkg::Lock::Timeout=300)
  local install=("${apt[@]}" install --no-install-recommends mosquitto mosquitto-clients)
  # lists that are old name packages that are gone: fetch them only where that is so
  "${install[@]}" || { "${apt[@]}" update && "${install[@]}"; }
  if [ -n "$fresh" ]; then
    # nor at the next boot: Qala starts its own; one that was there before is not ours to touch
    if [ -d /run/systemd/system ]; then
      systemctl disable --now mosquitto.service
    elif command -v update-rc.d >/dev/null; then
      update-rc.d mosquitto disable
    fi
  fi
}

# Into a new folder that gets its name when it is whole: an install cut off is never taken as done
into() { # into FOLDER COMMAND...: runs COMMAND... NEW_FOLDER
  local target=$1 new
  shift
  mkdir -p "$native"
  find "$native" -maxdepth 1 -name '.new.*' -mmin +120 -exec rm -rf {} +
  new=$(mktemp -d "$native/.new.XXXXXX")
  # shellcheck disable=SC2064 # the name of now
  trap "rm -rf '$new'" EXIT
  chmod 755 "$new"
  "$@" "$new"
  # where that fails another clone was faster, and its folder is as good
  mv -T "$new" "$target" 2>/dev/null || [ -d "$target" ]
}

copy_kafka() {
  mvn -B -q -ntp -f infra/native/pom.xml "-Dkafka.version=$KAFKA_VERSION" \
    dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$1/lib"
}
step_kafka() {
  rm -rf "$kafka" # without its main jar: nothing that works
  into "$kafka" copy_kafka
}

build_influxd() { # the stamp is what /ping says; clients tell 1.8 from older ones by it
  GOBIN=$1 go install -trimpath -ldflags "-s -w -X main.version=$INFLUXD_VERSION" \
    "github.com/influxdata/influxdb/cmd/influxd@v$INFLUXD_VERSION"
}
step_influxdb() { into "$influxd" build_influxd; }

# --- all at once, with progress --------------------------------------------------------------

logs=$(mktemp -d)
declare -A pids=() since=()
finish() {
  local step
  exec 2>/dev/null # bash would tell of every job that it ends
  for step in "${!pids[@]}"; do kill -- "-${pids[$step]}" 2>/dev/null || true; done
  wait
  rm -rf "$logs"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for step in "${steps[@]}"; do
  say "${title[$step]} ..."
  (
    set -euo pipefail
    "step_$step"
  ) >"$logs/$step" 2>&1 </dev/null &
  pids[$step]=$!
  since[$step]=$SECONDS
done

failed=0
said=$SECONDS
while [ ${#pids[@]} -gt 0 ]; do
  for step in "${!pids[@]}"; do
    kill -0 "${pids[$step]}" 2>/dev/null && continue
    took=$((SECONDS - since[$step]))
    if wait "${pids[$step]}"; then
      say "${title[$step]%% (*}: done in $took s"
    else
      failed=1
      say "${title[$step]%% (*}: FAILED after $took s; the last lines it wrote:" >&2
      tail -n 15 "$logs/$step" | sed 's/^/  | /' >&2
      say "what to do: ${mend[$step]}" >&2
    fi
    unset "pids[$step]"
  done
  if [ ${#pids[@]} -gt 0 ] && [ $((SECONDS - said)) -ge 10 ]; then
    said=$SECONDS
    say "still at work after $SECONDS s: ${!pids[*]}"
  fi
  sleep 0.2
done
[ "$failed" = 0 ] || exit 1
if [ ! -e "$archive" ]; then
  say "Kafka's classes, loaded once for all its starts ..."
  .venv/bin/python -m infra.native.class_archive || say "without them Kafka starts more slowly"
fi
say "ready after $SECONDS s"
