#!/usr/bin/env bash
# Prints a directory with redis-server and redis-cli of the lab's cache: Redis 7.0, which `make engines` unpacks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=$(test/lab/lab.sh cache)
engine=$cache/engines/redis-7.0
[ -x "$engine/run-server" ] || {
  echo "servers: $engine is not there: run 'make engines'" >&2
  exit 1
}
mkdir -p "$cache/servers"
ln -sfn "$engine/run-server" "$cache/servers/redis-server"
ln -sfn "$engine/run-cli" "$cache/servers/redis-cli"
echo "$cache/servers"
