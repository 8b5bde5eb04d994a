#!/bin/bash
# Captures CLUSTER NODES and nodes.conf texts of a real server, for the tests of ParseNodes.
#   capture.sh NAME SERVER CLI [ROOT]
# NAME-*.nodes are written beside this file. With ROOT, SERVER runs in a chroot there. Uses ports 21100 to
# 21155 of loopback.
set -euo pipefail
export LC_ALL=C # not every image has locales
name=$1 server=$2 cli=$3 root=${4:-} base=21100
out=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$root/tmp"
dir=$(mktemp -d "$root/tmp/capture.XXXXXX")
[ -z "$root" ] || server="chroot $root $server"
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null || true; rm -rf "$dir"' EXIT

start() { # number, address, further settings...
  local number=$1 port=$((base + $1)) addr=$2
  shift 2
  mkdir -p "$dir/$port"
  (exec $server --port "$port" --bind "$addr" --cluster-enabled yes --cluster-port $((port + 50)) --dir "${dir#"$root"}/$port" \
    --cluster-node-timeout 1000 --save "" --appendonly no --daemonize no --protected-mode no "$@" >"$dir/$port/log" 2>&1) &
  pids[number]=$!
  disown
  for _ in $(seq 100); do $cli -h "$addr" -p "$port" ping >/dev/null 2>&1 && return; sleep 0.05; done
  cat "$dir/$port/log"; exit 1
}
r() { local n=$1; shift; $cli -h 127.0.0.1 -p $((base + n)) "$@"; }
keep() { cat >"$out/$name-$1.nodes"; }
meet() { r "$1" cluster meet 127.0.0.1 $((base + $2)) $((base + $2 + 50)) >/dev/null; }
id() { r "$1" cluster myid; }
until_true() { for _ in $(seq 200); do if "$@"; then return; fi; sleep 0.05; done; echo "never: $*"; exit 1; }
knows() { [ "$(r "$1" cluster nodes | grep -cv handshake)" = "$2" ]; }
shows() { r "$1" cluster nodes | grep -qE "$2"; }

for n in 0 1 2; do start $n 127.0.0.1; done
start 3 127.0.0.1 --cluster-announce-hostname demo-3.demo.default.svc
r 0 cluster nodes | keep alone
r 0 cluster addslotsrange 0 5460 >/dev/null
r 1 cluster addslotsrange 5461 10922 >/dev/null
r 2 cluster addslotsrange 10923 16383 >/dev/null
for a in 0 1 2 3; do for b in 0 1 2 3; do [ $a = $b ] || meet $a $b; done; done
meet 0 9 # nobody is there
r 0 cluster nodes | grep handshake >/dev/null
r 0 cluster nodes | keep handshake
for n in 0 1 2 3; do until_true knows $n 4; done
r 3 cluster replicate "$(id 0)" >/dev/null
until_true shows 1 slave; until_true shows 0 slave
until_true shows 1 demo-3.demo
r 0 cluster nodes | keep whole
cat "$dir/$base/nodes.conf" | keep whole-conf
r 0 cluster setslot 42 migrating "$(id 1)" >/dev/null
r 1 cluster setslot 42 importing "$(id 0)" >/dev/null
r 0 cluster nodes | keep open-source
r 1 cluster nodes | keep open-target
r 0 cluster setslot 42 stable >/dev/null; r 1 cluster setslot 42 stable >/dev/null
r 0 cluster setslot 100 node "$(id 1)" >/dev/null || true
kill -9 "${pids[2]}"
until_true shows 0 fail
! shows 0 'fail\?' || r 0 cluster nodes | keep suspected
until_true shows 0 'master,fail '
r 0 cluster nodes | keep failed
cat "$dir/$((base + 1))/nodes.conf" | keep failed-conf
kill -9 "${pids[3]}"
rm -rf "$dir/$((base + 3))" # it comes back as somebody else on the same address
start 3 127.0.0.1
until_true shows 0 noaddr
r 0 cluster nodes | keep noaddr
cat "$dir/$base/nodes.conf" | keep noaddr-conf
start 4 ::1
$cli -h ::1 -p $((base + 4)) cluster meet ::1 $((base + 4)) $((base + 54)) >/dev/null
start 5 ::1
$cli -h ::1 -p $((base + 5)) cluster meet ::1 $((base + 4)) $((base + 54)) >/dev/null
six() { [ "$($cli -h ::1 -p $((base + 5)) cluster nodes | grep -cv handshake)" = 2 ]; }
until_true six
$cli -h ::1 -p $((base + 5)) cluster nodes | keep ipv6
