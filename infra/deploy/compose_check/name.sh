#!/bin/sh
# Names the folder of the compiled checker by all that it is compiled of: a changed source, library
# or lock file makes another one, and never finds the old program.
set -eu
cd "$(dirname "$0")"
version=$(sed -n 's#^require github.com/compose-spec/compose-go/v2 v##p' go.mod)
sources=$(cat main.go go.mod go.sum | sha256sum | cut -c 1-12)
echo "compose-go-$version-$sources"
