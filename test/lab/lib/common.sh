# Names, paths and small helpers shared by every part of the lab. Sourced by lab.sh, never run.
# shellcheck shell=bash

# --- what a user may set -------------------------------------------------------------------------------------
NS=${NS:-rdclab}                                     # name of the lab: prefix of its network namespaces and cgroups
NODES=${NODES:-1}                                    # worker nodes, 1 to 3; node1 is in zone a, node2 in b, node3 in c
PROXY_MODE=${PROXY_MODE:-nftables}                   # kube-proxy: nftables or iptables
NETPOL=${NETPOL:-0}                                  # 1: enforce NetworkPolicy
NODE_MONITOR_GRACE=${NODE_MONITOR_GRACE:-8s}         # a silent node is NotReady after this
NODE_STATUS_EVERY=${NODE_STATUS_EVERY:-2s}
NODE_LEASE_SECONDS=${NODE_LEASE_SECONDS:-4}          # renewed every quarter of it
TOLERATION_SECONDS=${TOLERATION_SECONDS:-5}          # pods of a NotReady node are deleted after this
VOLUMES=${VOLUMES:-512m}                               # room for all volumes of a node, in memory
CACHE=${REDIS_OPERATOR_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/redis-operator-lab}

# --- where things are ----------------------------------------------------------------------------------------
RUN=$CACHE/run/$NS                                   # state of the running lab; removed by down
SOCKETS=/run/redis-operator-lab/$NS                  # unix sockets: their paths must be short
KUBECONFIG_FILE=$RUN/kubeconfig
SEED=                                                # set by seed_prepare
export DEBIAN_FRONTEND=noninteractive

# --- addresses (198.18.0.0/15 is reserved for tests of networks: nobody routes it) ---------------------------
CP_IP=198.18.255.1                                   # control plane, in network namespace $NS
HOST_IP=198.18.255.254                               # this machine, on the same bridge
POD_CIDR=198.18.0.0/17                               # nodeN has 198.18.N.0/24; the plane and this machine are outside of it
SVC_CIDR=198.19.0.0/16
SVC_FIRST=198.19.0.1
DNS_IP=198.19.0.10

# A proxy of the user's must not see the lab's traffic.
export NO_PROXY="${NO_PROXY:-${no_proxy:-}}${NO_PROXY:+,}198.18.0.0/15,127.0.0.1,localhost"
export no_proxy=$NO_PROXY

# --- talking -------------------------------------------------------------------------------------------------
started_ms=$(date +%s%3N)

# say TEXT: one line of progress with the seconds since the start.
say() {
  local ms=$(($(date +%s%3N) - started_ms))
  printf '%4d.%01ds  %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$*"
}

warn() { printf 'WARNING: %s\n' "$*" >&2; }

# die TEXT...: an error for a person, a line each, and the end.
die() {
  printf 'lab: %s\n' "$@" >&2
  exit 1
}

# wait_for SECONDS WHAT CMD...: runs CMD until it succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      say "timed out: $what"
      return 1
    fi
    sleep 0.1
  done
  say "$what"
}

# wait_boot SECONDS WHAT CMD...: as wait_for, but gives up at once when a daemon has ended.
wait_boot() {
  wait_for "$1" "$2" boot_step "${@:3}"
  local unit
  for unit in $(dead_units); do
    say "$unit has ended; its last words:"
    tail -4 "$RUN/logs/$unit.log" | cut -c1-300 | sed 's/^/         /'
  done
  [ -z "${unit:-}" ]
}
boot_step() { [ -n "$(dead_units)" ] || "$@"; }

# dead_units: names of the daemons that have ended.
dead_units() {
  local file
  for file in "$RUN"/pids/*; do
    unit_alive "$(basename "$file")" || basename "$file"
  done
}

# wait_all PID...: waits for every one; fails when one failed.
wait_all() {
  local pid failed=0
  for pid in "$@"; do
    wait "$pid" || failed=1
  done
  return $failed
}

# render FILE KEY=VALUE...: the file with every @KEY@ replaced.
render() {
  local file=$1 text pair
  shift
  text=$(<"$file")
  for pair in "$@"; do
    text=${text//"@${pair%%=*}@"/"${pair#*=}"}
  done
  printf '%s\n' "$text"
}

# --- nodes ---------------------------------------------------------------------------------------------------
node_index() { echo "${1#node}"; }
node_ip() { echo "198.18.255.$((10 + ${1#node}))"; }
node_pods() { echo "198.18.${1#node}.0/24"; }
node_zone() {
  local zones=(- a b c)
  echo "${zones[${1#node}]}"
}

# nodes: names of the nodes that exist.
nodes() {
  [ -d "$RUN/nodes" ] || return 0
  ls "$RUN/nodes"
}

# need_node NODE
need_node() {
  [ -d "$RUN/nodes/${1:-?}" ] || die "no such node: '${1:-}' (there are: $(nodes | tr '\n' ' '))"
}

in_plane() { nsenter --net="/run/netns/$NS" -- "$@"; }
in_node() {
  local node=$1
  shift
  nsenter --net="/run/netns/$NS-$node" -- "$@"
}

# k ARGS: kubectl as cluster-admin, from the control plane's network namespace.
k() { KUBECONFIG=$KUBECONFIG_FILE in_plane "$BIN/kubectl" "$@"; }

# ctr_on NODE ARGS: containerd's own client on that node.
ctr_on() {
  local node=$1
  shift
  ctr -a "$SOCKETS/$node.sock" -n k8s.io "$@"
}

# start UNIT NETNS CGROUP CMD...: starts a daemon. A UNIT is a log, a pid file, and a place in network and cgroups.
start() {
  local unit=$1 netns=$2 cgroup=$3
  shift 3
  (
    exec 8>&- 9>&- # the lab's locks must not live on in its daemons
    cgroup_enter "$cgroup"
    exec setsid nsenter --net="/run/netns/$netns" -- "$@"
  ) >>"$RUN/logs/$unit.log" 2>&1 </dev/null &
  echo $! >"$RUN/pids/$unit"
  disown $! # its end, one day, is no news to this shell
}

# unit_alive UNIT
unit_alive() {
  local pid
  pid=$(cat "$RUN/pids/$1" 2>/dev/null) && process_alive "$pid"
}

# process_alive PID: a zombie (init may be slow to reap it) counts as gone.
process_alive() { grep -qs '^State:.[^ZX]' "/proc/$1/status"; }
