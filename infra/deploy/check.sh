#!/usr/bin/env bash
# Checks what people deploy Qala with by its own tools: the systemd units by systemd-analyze, and
# compose.yaml by the library that Docker Compose reads it with (compose-go, compiled once and kept
# with the native servers), which needs no engine. `make check-deploy`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# 1 is nothing but what it needs, 10 is everything; the units are at 1.4
MOST_EXPOSED=1.5

say() { printf 'check-deploy: %s\n' "$*"; }
complain() {
  say "$*" >&2
  exit 1
}
sudo=$([ "$(id -u)" = 0 ] || echo 'sudo ')
command -v systemd-analyze >/dev/null ||
  complain "systemd-analyze is missing; install it with: ${sudo}apt-get install -y --no-install-recommends systemd"
command -v go >/dev/null || complain "Go is missing; install it with: ${sudo}apt-get install -y golang-go"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# --- systemd: in a root folder of its own, where the program stands where the unit looks for it ---
root=$work/root
units=$root/etc/systemd/system
mkdir -p "$units" "$root/opt/qala/infra/deploy/systemd" "$root/usr/lib/systemd"
cp -r /lib/systemd/system "$root/usr/lib/systemd/"
cp infra/deploy/systemd/qala@.service infra/deploy/systemd/qala.target "$units"
cp infra/deploy/systemd/qala-stage "$root/opt/qala/infra/deploy/systemd/"
for stage in bridge streams sink-influx sink-chat; do
  # a unit that systemd only half understands is a warning to it, and a failure here
  systemd-analyze verify --root="$root" --man=no "qala@$stage.service" qala.target >"$work/said" 2>&1 ||
    complain "qala@$stage.service is refused: $(cat "$work/said")"
  [ ! -s "$work/said" ] || complain "qala@$stage.service: $(cat "$work/said")"
done
SYSTEMD_COLORS=0 systemd-analyze security --offline=true --root="$root" --no-pager \
  --threshold="${MOST_EXPOSED/./}" qala@bridge.service >"$work/said" 2>&1 ||
  complain "qala@.service is more exposed than $MOST_EXPOSED: $(tail -n 1 "$work/said")"
say "systemd units: in order, exposure $(sed -nE 's/.*qala@bridge.service: ([0-9.]+).*/\1/p' "$work/said") of 10"

# --- compose -----------------------------------------------------------------------------------
native=${QALA_NATIVE:-${XDG_CACHE_HOME:-$HOME/.cache}/qala/native}
version=$(sed -n 's#^require github.com/compose-spec/compose-go/v2 v##p' infra/deploy/compose_check/go.mod)
reader=$native/$(infra/deploy/compose_check/name.sh)/compose_check
if [ ! -x "$reader" ]; then
  say "compiling compose-go $version, once"
  go build -C infra/deploy/compose_check -trimpath -o "$work/compose_check" . >"$work/said" 2>&1 ||
    complain "compose-go can't be built: $(tail -n 5 "$work/said")"
  mkdir -p "$(dirname "$reader")"
  # at once and whole: another clone may be at it, too
  mv "$work/compose_check" "$reader.$$" && mv "$reader.$$" "$reader"
fi
infra/deploy/compose/secrets.sh >"$work/.env"
read_compose() { "$reader" "$work/.env" "$1" >"$work/said" 2>&1; }
read_compose compose.yaml || complain "compose.yaml is refused: $(cat "$work/said")"
[ ! -s "$work/said" ] || complain "compose.yaml: $(cat "$work/said")"
# that it would say so: of a key, a kind of value, a network and a service that don't exist
for fault in 's/mem_limit:/mem_limt:/' 's/interval: 15s/interval: soon/' \
  's/networks: \[kafka\]/networks: [kafkka]/' 's/kafka: { condition/kafko: { condition/'; do
  sed "$fault" compose.yaml >"$work/compose.yaml"
  ! cmp --silent compose.yaml "$work/compose.yaml" || complain "compose.yaml has no place for $fault"
  ! read_compose "$work/compose.yaml" || complain "compose-go doesn't find the fault $fault"
done
say "compose.yaml: in order, says compose-go $version"
if docker compose version >/dev/null 2>&1; then
  docker compose --env-file "$work/.env" --profile '*' config --quiet
  say "compose.yaml: in order, says $(docker compose version)"
fi
