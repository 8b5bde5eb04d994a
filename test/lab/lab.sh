#!/usr/bin/env bash
# A real Kubernetes on this machine: control plane and one to three nodes in network namespaces, no registry, no Docker.
# README.md beside this file says how it is made.
set -euo pipefail

LAB_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
for part in common cgroup preflight build engines images net pki control node fault; do
  # shellcheck source=/dev/null
  . "$LAB_DIR/lib/$part.sh"
done

USAGE="usage: lab.sh VERB
  up                       starts the lab (NODES=1..3, NS=name, NETPOL=1, PROXY_MODE=iptables); at once when it is up
  down                     stops it and removes its state; built things stay in the cache
  status                   what runs
  env                      shell lines for eval: KUBECONFIG, PATH with kubectl
  kubectl ARGS             kubectl as cluster-admin, works without eval
  enter CMD                runs CMD in the control plane's network namespace
  namespace NAME [LEVEL]   makes a namespace with the Pod Security level (restricted)
  image TAG BINARY [USER]  a static binary as an image FROM scratch, on every node
  ctr NODE ARGS            containerd's client on a node
  yield [off]              the control plane yields the processors to the nodes, as if it had machines of its own
  fault VERB ...           cuts, freezes, delays: lab.sh fault help
  engines                  unpacks the Redis and Valkey servers into the cache (also tried again when a suite failed)
  build                    builds everything into the cache, starts nothing
  cache, bin               print the paths of the cache and of the lab's programs"

# --- up ------------------------------------------------------------------------------------------------------

lab_up() {
  check_settings
  need_root up
  mkdir -p "$CACHE"
  lock
  if is_up; then
    grow
    return
  fi
  if [ -e "$RUN" ] || [ -e "/run/netns/$NS" ]; then
    say "a lab '$NS' is there, but not whole: removing it"
    tear_down
  fi
  prepare
  trap failed EXIT
  trap 'exit 130' INT TERM
  boot
  trap - EXIT INT TERM
  say "up: $NODES node(s)"
  print_entry
}

lock() {
  exec 9>"$CACHE/$NS.lock"
  flock -n 9 || { say "waiting for another lab.sh to finish"; flock 9; }
}

# prepare: everything that can fail for want of something on this machine, before anything runs.
prepare() {
  install_packages lab "$LAB_COMMANDS" "$BUILD_COMMANDS" "$ENGINE_COMMANDS"
  cgroup_check
  check_kernel
  build_binaries
  build_engines
  build_images
}

# failed: nothing stays behind when up did not end well, but its logs.
failed() {
  local status=$?
  trap - EXIT INT TERM
  rm -rf "$CACHE/logs/failed-$NS"
  cp -r "$RUN/logs" "$CACHE/logs/failed-$NS" 2>/dev/null || true
  printf 'lab: up failed; its logs: %s\n' "$CACHE/logs/failed-$NS" >&2
  tear_down || true
  exit "$((status == 0 ? 1 : status))"
}

boot() {
  local node wanted pids=()
  wanted=$(seq -f 'node%g' 1 "$NODES")
  mkdir -p "$RUN"/{pids,logs,etcd,pv,nodes,images,conf} "$SOCKETS"
  save_settings
  ln -s "$BIN" "$RUN/bin"
  cp "$LAB_DIR"/conf/{admission,audit-policy}.yaml "$RUN/conf/"
  LAB_CONF=$RUN/conf
  echo "nameserver $DNS_IP" >"$RUN/resolv.conf"
  cgroup_prepare
  cgroup_make "$CONTROL"
  net_up_plane
  net_up_host
  pki_up
  control_up
  for node in $wanted; do
    (
      node_prepare "$node"
      node_start_containerd "$node"
    ) &
    pids+=($!)
  done
  wait_all "${pids[@]}"
  say "control plane and containerd started"
  wait_boot 120 "the API server is ready" api_ready
  control_up_rest
  for node in $wanted; do node_start_kubelet "$node"; done
  apply_base
  for node in $wanted; do wait_boot 120 "$node is Ready" node_ready "$node"; done
  wait_boot 120 "cluster DNS is ready" dns_ready
  touch "$RUN/up"
}

# grow: the lab is up; adds nodes when more are wanted.
grow() {
  local node
  if [ "$(nodes | wc -l)" -ge "$NODES" ]; then
    say "already up: $(nodes | wc -l) node(s)"
    print_entry
    return
  fi
  find_cni
  build_images
  . "$RUN/settings"
  for node in $(seq -f 'node%g' 1 "$NODES"); do
    [ ! -d "$RUN/nodes/$node" ] || continue
    node_prepare "$node"
    node_start_containerd "$node"
    node_start_kubelet "$node"
    if compgen -G "$RUN/images/*.tar" >/dev/null; then load_archives "$node" "$RUN"/images/*.tar; fi
    wait_for 120 "$node is Ready" node_ready "$node"
  done
}

# save_settings: later verbs (a node that boots again) use what up was given; down restores what kubelets change.
save_settings() {
  declare -p PROXY_MODE NETPOL NODE_MONITOR_GRACE NODE_STATUS_EVERY NODE_LEASE_SECONDS TOLERATION_SECONDS |
    sed 's/^declare [^ ]* //' >"$RUN/settings"
  sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes \
    >"$RUN/sysctl.saved" 2>/dev/null || true
}

is_up() {
  [ -e "$RUN/up" ] || return 1
  bin_running
  api_ready >/dev/null 2>&1
}

# need_up: for verbs that work on a running lab.
need_up() {
  [ -e "$RUN/up" ] || die "the lab '$NS' is not up: run 'make lab-up'"
  bin_running
}

print_entry() {
  echo
  echo "  export KUBECONFIG=$KUBECONFIG_FILE"
  echo "  kubectl: $BIN/kubectl      both at once: eval \"\$($LAB_DIR/lab.sh env)\""
  echo
}

# --- down ----------------------------------------------------------------------------------------------------

lab_down() {
  check_settings
  need_root down
  mkdir -p "$CACHE"
  lock
  if [ ! -e "$RUN" ] && [ ! -e "/run/netns/$NS" ] && [ ! -d "$(cgroup_tree "$NS")" ]; then
    say "no lab '$NS' is up"
    return
  fi
  tear_down
  say "down"
}

# tear_down: also of half a lab. Ends what runs, then takes away what it stood on.
tear_down() {
  local failed=0
  mapfile -t LEFTOVERS < <(runtime_leftovers)
  cgroup_thaw_all "$NS"
  cgroup_kill "$NS" || failed=1
  unmount_all
  cgroup_remove "$NS" || failed=1
  net_down
  [ ! -e "$RUN/sysctl.saved" ] || sysctl -qp "$RUN/sysctl.saved" 2>/dev/null || true
  find /var/log/containers -type l -lname "$RUN/*" -delete 2>/dev/null || true
  rm -f /var/lib/cni/results/"$NS"-node*
  [ ${#LEFTOVERS[@]} = 0 ] || rm -rf "${LEFTOVERS[@]}"
  rm -rf "$SOCKETS"
  if lab_mounts | grep -q .; then
    warn "still mounted, so $RUN stays: $(lab_mounts | tr '\n' ' ')"
    return 1
  fi
  rm -rf --one-file-system "$RUN"
  return $failed
}

# runtime_leftovers: what killed shims and containers leave outside of $RUN: sockets, runc's state, CNI's results.
runtime_leftovers() {
  local task id
  for task in "$RUN"/nodes/*/containerd/state/io.containerd.runtime.v2.task/k8s.io/*; do
    [ -d "$task" ] || continue
    id=$(basename "$task")
    if [ -e "$task/address" ]; then sed 's#^unix://##' "$task/address"; echo; fi
    echo "/run/containerd/runc/k8s.io/$id"
    echo "/var/lib/cni/results/cni-loopback-$id-lo"
  done | grep .
}

lab_mounts() { awk -v run="$RUN/" 'index($2, run) == 1 {print $2}' /proc/mounts | sort -r; }

unmount_all() {
  local try mount
  for try in 1 2 3; do
    lab_mounts | while read -r mount; do umount -l "$mount" 2>/dev/null || true; done
    lab_mounts | grep -q . || return 0
  done
}

# --- the small verbs -----------------------------------------------------------------------------------------

lab_status() {
  if ! is_up; then
    echo "the lab '$NS' is not up"
    return 1
  fi
  k get nodes -L topology.kubernetes.io/zone
  echo
  dead_units | sed "s#.*#not running: & (log: $RUN/logs/&.log)#"
  echo "images on node1:"
  ctr_on node1 images ls -q | grep -v sha256: | sed 's/^/  /'
  print_entry
}

lab_env() {
  need_up
  echo "export KUBECONFIG=$KUBECONFIG_FILE"
  echo "export PATH=$BIN:\$PATH"
  if [ -n "${HTTPS_PROXY:-}${https_proxy:-}" ]; then echo "export NO_PROXY=$NO_PROXY no_proxy=$NO_PROXY"; fi
}

lab_kubectl() {
  need_up
  if [ -e "/sys/class/net/$HOST_LINK" ]; then
    KUBECONFIG=$KUBECONFIG_FILE exec "$BIN/kubectl" "$@"
  fi
  need_root kubectl "$@"
  k "$@"
}

lab_namespace() {
  local name=${1:?lab.sh namespace NAME [LEVEL]} level=${2:-restricted}
  need_up
  k create namespace "$name" --dry-run=client -o yaml | k apply -f - >/dev/null
  k label --overwrite namespace "$name" "pod-security.kubernetes.io/enforce=$level" >/dev/null
  echo "namespace $name: Pod Security $level"
}

lab_image() {
  [ $# -ge 2 ] || die "usage: lab.sh image TAG BINARY [USER]"
  need_root image "$@"
  need_up
  exec 8>"$RUN/images.lock" # several people may load at once
  flock 8
  image_load "$@"
}

# What tests without a cluster need: the servers, and a C compiler for Go's race detector.
lab_engines() {
  check_settings
  if engines_complete && [ -z "$(missing_packages "$BUILD_COMMANDS")" ]; then
    list_engines
    return
  fi
  need_root engines
  mkdir -p "$CACHE"
  install_packages engines "$ENGINE_COMMANDS" "$BUILD_COMMANDS"
  ENGINES_RETRY=1 build_engines
  list_engines
}

list_engines() {
  local name
  for name in $(engines_ready); do echo "$CACHE/engines/$name/run-server"; done
}

lab_build() {
  check_settings
  need_root build
  mkdir -p "$CACHE"
  prepare
  say "everything is in $CACHE"
}

lab_yield() {
  need_root yield "$@"
  need_up
  case ${1:-on} in
    on) cgroup_weight "$CONTROL" 6 ;;
    off) cgroup_weight "$CONTROL" 100 ;;
    *) die "usage: lab.sh yield [off]" ;;
  esac
}

lab_fault() {
  if [ "${1:-help}" = help ]; then fault help; return; fi
  need_root fault "$@"
  need_up
  # shellcheck source=/dev/null
  . "$RUN/settings"
  fault "$@"
}

main() {
  local verb=${1:-help}
  shift || true
  case $verb in
    up | down | status | env | kubectl | namespace | image | engines | build | fault | yield) "lab_$verb" "$@" ;;
    enter)
      need_root enter "$@"
      in_plane "$@"
      ;;
    ctr)
      need_root ctr "$@"
      need_node "${1:-}"
      ctr_on "$@"
      ;;
    cache) echo "$CACHE" ;;
    bin)
      if [ -e "$RUN/up" ]; then bin_running; else bin_locate; fi
      echo "$BIN"
      ;;
    help | -h | --help) echo "$USAGE" ;;
    *)
      echo "$USAGE" >&2
      exit 2
      ;;
  esac
}

main "$@"
