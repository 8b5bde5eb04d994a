#!/usr/bin/env bash
# Fails when a generated file is not what `make generate` makes of the sources.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

generated=(pkg/client pkg/apis/redis/v1/zz_generated.deepcopy.go charts/redis-operator/files/crds docs/reference)
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
for path in "${generated[@]}"; do
  mkdir -p "$before/$(dirname "$path")"
  cp -r "$path" "$before/$path"
done

hack/update-codegen.sh

stale=0
for path in "${generated[@]}"; do
  diff -ru "$before/$path" "$path" || stale=1
done
if [ "$stale" = 1 ]; then
  echo "verify: generated files were stale; they are fresh now: commit what 'make generate' changed" >&2
  exit 1
fi
go mod tidy -diff >/dev/null || { echo "verify: go.mod or go.sum is not tidy: run 'go mod tidy'" >&2; exit 1; }
