# Faults. Every verb returns at once; the effect on the cluster follows. See FAULT_HELP.
# shellcheck shell=bash

FAULT_HELP="faults (lab.sh fault VERB ...):
  cut NODE | mend NODE            the node's cable: silence, no RST
  isolate NODE | join NODE        the node cut from the control plane only; its pods still reach other nodes' pods
  part A B | heal A B             two nodes and their pods cannot reach each other; both reach the control plane
  off NODE | on NODE              power cut: cable down, SIGKILL to every process of the node; on: boots it again
  freeze NODE | thaw NODE         every process of the node stands still, daemons and containers
  rate NODE KBIT [LATENCY] | unrate NODE
  delay NODE MS [JITTER] | undelay NODE       both directions
  loss NODE PERCENT | unloss NODE             both directions
  hang POD CONTAINER | unhang POD CONTAINER   SIGSTOP and SIGCONT
  killc POD CONTAINER             SIGKILL
  pause POD | unpause POD         freezes the whole pod (exec probes too)
  pids POD CONTAINER              its processes, for a test that signals them itself: at once, or without an API server
  apioff | apion                  SIGKILL to the API server, and to controller manager and scheduler, which end without
                                  one; starts them again
  fill NODE | unfill NODE         the disk with all volumes of the node is full
  squat NODE IP | unsquat NODE IP a Redis Cluster of somebody else answers at the address of a pod that is gone:
                                  one node with all slots, a key, no password and a high epoch
POD may be NAMESPACE/POD."

# fault VERB ARGS...
fault() {
  local verb=${1:-help}
  shift || true
  case $verb in
    cut | mend | isolate | join | off | on | freeze | thaw | rate | unrate | delay | undelay | loss | unloss)
      need_node "${1:-}"
      "fault_$verb" "$@"
      ;;
    part | heal)
      need_node "${1:-}"
      need_node "${2:-}"
      "fault_$verb" "$@"
      ;;
    hang) signal_container STOP "$@" ;;
    unhang) signal_container CONT "$@" ;;
    killc) signal_container KILL "$@" ;;
    pause | unpause | apioff | apion) "fault_$verb" "$@" ;;
    pids) container_pids "$@" ;;
    fill | unfill | squat | unsquat)
      need_node "${1:-}"
      "fault_$verb" "$@"
      ;;
    *)
      echo "$FAULT_HELP"
      [ "$verb" = help ] || exit 2
      ;;
  esac
}

# --- cable and packets ---------------------------------------------------------------------------------------

fault_cut() { in_plane ip link set "$1" down; }
fault_mend() { in_plane ip link set "$1" up; }

# drop_table NODE NAME ADDRESSES: NODE neither hears nor reaches these addresses, nor do its pods.
drop_table() {
  in_node "$1" nft -f - <<N
table inet fault_$2 {
  set far { type ipv4_addr; flags interval; elements = { $3 }; }
  chain in { type filter hook prerouting priority -400; ip saddr @far drop; }
  chain out { type filter hook postrouting priority 400; ip daddr @far drop; }
}
N
}

fault_isolate() { drop_table "$1" plane "$CP_IP"; }
fault_join() { in_node "$1" nft delete table inet fault_plane; }
fault_part() { drop_table "$1" "$2" "$(node_ip "$2"), $(node_pods "$2")"; }
fault_heal() { in_node "$1" nft delete table inet "fault_$2"; }

fault_loss() {
  local permille=$(($2 * 10))
  in_node "$1" nft -f - <<N
table inet fault_loss {
  chain in { type filter hook prerouting priority -400; iif eth0 numgen random mod 1000 < $permille drop; }
  chain out { type filter hook postrouting priority 400; oif eth0 numgen random mod 1000 < $permille drop; }
}
N
}
fault_unloss() { in_node "$1" nft delete table inet fault_loss; }

fault_rate() {
  local shape=(root tbf rate "${2}kbit" burst 16kb latency "${3:-200ms}")
  in_plane tc qdisc replace dev "$1" "${shape[@]}"
  in_node "$1" tc qdisc replace dev eth0 "${shape[@]}"
}
fault_unrate() {
  in_plane tc qdisc del dev "$1" root
  in_node "$1" tc qdisc del dev eth0 root
}

# Not every kernel has netem: packets go through a queue to a program that holds each for a while.
DELAY_QUEUE=77
delay_rules() {
  in_node "$1" iptables -t mangle "$2" PREROUTING -i eth0 -j NFQUEUE --queue-num $DELAY_QUEUE
  in_node "$1" iptables -t mangle "$2" POSTROUTING -o eth0 -j NFQUEUE --queue-num $DELAY_QUEUE
}
fault_delay() {
  start "$1-delay" "$NS-$1" "$CONTROL" "$BIN/nfdelay" -queue $DELAY_QUEUE -delay "${2}ms" -jitter "${3:-0}ms"
  delay_rules "$1" -A
}
fault_undelay() {
  delay_rules "$1" -D
  kill "$(cat "$RUN/pids/$1-delay")"
}

# --- power ---------------------------------------------------------------------------------------------------

# The cable goes first: processes that die with it up would send RSTs, which a power cut does not.
fault_off() {
  fault_cut "$1"
  cgroup_kill "$NS/$1"
}
fault_on() {
  fault_mend "$1"
  node_boot "$1" >/dev/null
}
fault_freeze() { cgroup_freeze "$(cgroup_tree "$NS/$1")"; }
fault_thaw() { cgroup_thaw "$(cgroup_tree "$NS/$1")"; }

# --- pods ----------------------------------------------------------------------------------------------------

# pod_get POD JSONPATH: POD is NAME or NAMESPACE/NAME.
pod_get() {
  local namespace=default name=$1
  if [[ $1 == */* ]]; then
    namespace=${1%%/*}
    name=${1#*/}
  fi
  k -n "$namespace" get pod "$name" -o jsonpath="$2"
}

# pod_cgroup POD: the pod's directory (the kubelet calls it podUID, below its QoS class).
pod_cgroup() {
  local uid node
  uid=$(pod_get "$1" '{.metadata.uid}')
  node=$(pod_get "$1" '{.spec.nodeName}')
  find "$(cgroup_tree "$NS/$node")" -type d -name "pod$uid" | grep . || die "pod $1 has no cgroup on '$node'"
}

# pod_leaves POD: the cgroups of its containers. (v1 freezes a tree as v2 does, but thaw each: some may be frozen alone.)
pod_leaves() { find "$(pod_cgroup "$1")" -mindepth 1 -type d; }

fault_pause() {
  local leaves
  mapfile -t leaves < <(pod_leaves "$1")
  cgroup_freeze "${leaves[@]}"
}
fault_unpause() {
  local leaves
  mapfile -t leaves < <(pod_leaves "$1")
  cgroup_thaw "${leaves[@]}"
}

# signal_container SIGNAL POD CONTAINER
signal_container() {
  local signal=$1
  shift
  # shellcheck disable=SC2046 # a list
  kill "-$signal" $(container_pids "$@")
}

# container_pids POD CONTAINER
container_pids() {
  local pod=$1 container=$2 id which
  for which in containerStatuses initContainerStatuses; do
    id=$(pod_get "$pod" "{.status.${which}[?(@.name==\"$container\")].containerID}")
    [ -z "$id" ] || break
  done
  [ -n "$id" ] || die "pod $pod has no running container '$container'"
  cat "$(pod_cgroup "$pod")/${id#containerd://}/cgroup.procs"
}

# --- control plane -------------------------------------------------------------------------------------------

# A controller manager that loses its lease ends. One that lived on would take all nodes for silent when the API server is
# back, and evict every pod.
fault_apioff() {
  local unit
  for unit in kube-apiserver kube-controller-manager kube-scheduler; do kill -KILL "$(cat "$RUN/pids/$unit")" 2>/dev/null || true; done
}
fault_apion() {
  LAB_CONF=$RUN/conf
  start_apiserver
  wait_for 60 "the API server is ready" api_ready
  start_controller_manager
  start_scheduler
}

# --- disks ---------------------------------------------------------------------------------------------------

fault_fill() {
  local disk=$RUN/pv/$1
  head -c "$(df --output=avail -B1 "$disk" | tail -1)" /dev/zero >"$disk/full" || true # somebody else may have had the last byte
}
fault_unfill() { rm -f "$RUN/pv/$1/full"; }

# --- addresses -----------------------------------------------------------------------------------------------

fault_squat() {
  local node=$1 ip=$2 dir=$RUN/squat-$2 engine=$CACHE/engines/redis-8.0
  in_node "$node" ip addr add "$ip/32" dev cni0
  mkdir -p "$dir"
  start "$node-squat" "$NS-$node" "$NS/$node/system" "$engine/run-server" --bind "$ip" --protected-mode no \
    --cluster-enabled yes --cluster-announce-ip "$ip" --dir "$dir" --save ''
  wait_for 10 "a stranger is at $ip" squatter "$@" cluster set-config-epoch 1000000
  squatter "$@" cluster addslotsrange 0 16383
}
# squatter NODE IP COMMAND...: the stranger is asked something.
squatter() {
  local reply
  reply=$(in_node "$1" "$CACHE/engines/redis-8.0/run-cli" -h "$2" "${@:3}") && [ "$reply" = OK ]
}
fault_unsquat() {
  kill -KILL "$(cat "$RUN/pids/$1-squat")" || true # a node that was switched off took it along
  rm -f "$RUN/pids/$1-squat"
  in_node "$1" ip addr del "$2/32" dev cni0
  rm -rf "$RUN/squat-$2"
}
