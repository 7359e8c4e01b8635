#!/usr/bin/env bash
# Builds InfluxDB 2 for the tests (Qala itself starts 1.8), and prints where its program is.
#
# Nobody publishes it as one file that can be fetched by version, so it is compiled: the server
# from the Go module proxy without its web pages, and the Flux library that it is linked with,
# which is Rust. Five to ten minutes on two cores; kept by version beside the other native servers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# shellcheck source=infra/native/versions.env
source versions.env
native=${QALA_NATIVE:-${XDG_CACHE_HOME:-$HOME/.cache}/qala/native}
folder=$native/influxd-$INFLUXD2_VERSION
if [ -x "$folder/influxd" ]; then
  echo "$folder/influxd"
  exit 0
fi

say() { printf 'influxd2: %s\n' "$*" >&2; }
missing=0
for tool in go:golang-go cargo:cargo gcc:gcc pkg-config:pkg-config; do
  if ! command -v "${tool%%:*}" >/dev/null; then
    say "${tool%%:*} is missing; install it with: apt-get install -y ${tool##*:}"
    missing=1
  fi
done
[ "$missing" = 0 ] || exit 1

mkdir -p "$native"
new=$(mktemp -d "$native/.new.XXXXXX")
work=$(mktemp -d)
trap 'rm -rf "$new" "$work"' EXIT
step() { # step TITLE COMMAND...: quiet, unless it fails
  say "$1 (after $SECONDS s)"
  shift
  "$@" >"$work/log" 2>&1 && return
  say "that failed; the last lines it wrote:"
  tail -n 20 "$work/log" >&2
  say "check that Go and cargo reach their registries, and try again"
  exit 1
}

fetch_server() {
  go mod download -json "github.com/influxdata/influxdb/v2@v$INFLUXD2_VERSION" >"$work/module.json"
  sed -nE 's/^\s*"Dir": "(.*)",?$/\1/p' "$work/module.json" >"$work/dir"
  [ -s "$work/dir" ]
}
fetch_modules() { cd "$source" && go list -deps ./cmd/influxd && go list -m -f '{{.Dir}}' github.com/influxdata/flux | tail -n 1 >"$work/flux-dir"; }
copy_flux() { # the module cache is read-only, and cargo writes into its folder
  cp -r "$(cat "$work/flux-dir")" "$work/flux" && chmod -R u+w "$work/flux"
}
build_flux() { # its default features turn warnings of newer compilers into errors
  cd "$work/flux/libflux" &&
    RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable} cargo rustc --release --locked --quiet \
      --package flux --lib --no-default-features --features cffi --crate-type staticlib
}
describe_flux() {
  cat >"$work/flux.pc" <<END
Name: Flux
Version: 0
Description: the query language's library
Libs: -L$work/flux/libflux/target/release -lflux -ldl -lm -lpthread
Cflags: -I$work/flux/libflux/include
END
}
build_server() {
  cd "$source" &&
    PKG_CONFIG_PATH=$work go build -trimpath -tags sqlite_foreign_keys,sqlite_json \
      -ldflags "-s -w -X main.version=v$INFLUXD2_VERSION" -o "$new/influxd" ./cmd/influxd
}

say "building InfluxDB $INFLUXD2_VERSION, once: five to ten minutes"
step "fetching the server's source" fetch_server
source=$(cat "$work/dir")
step "fetching what it needs" fetch_modules
step "copying Flux" copy_flux
step "compiling Flux" build_flux
step "describing Flux" describe_flux
step "compiling the server" build_server
"$new/influxd" version >&2
chmod 755 "$new"
# where this fails another build was faster, and its folder is as good
mv -T "$new" "$folder" 2>/dev/null || [ -x "$folder/influxd" ]
echo "$folder/influxd"
