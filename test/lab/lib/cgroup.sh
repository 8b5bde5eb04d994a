# One tree of cgroups per lab, on cgroup v2 and on v1 (also v1 beside an empty v2, "hybrid").
#
#   $NS/control         etcd, the control plane, helpers
#   $NS/nodeN/system    containerd, its shims, kubelet, kube-proxy
#   $NS/nodeN/kubepods  made by the kubelet: pods
#
# So "every process of a node" is everything below $NS/nodeN: power-off, freeze and down need no search for processes.
# On v2 processes live in leaves only (the "no internal processes" rule), which this tree keeps.
# shellcheck shell=bash

CGROOT=${CGROOT:-/sys/fs/cgroup}
V1_CONTROLLERS="cpu cpuacct cpuset memory devices freezer blkio pids systemd"
V2_CONTROLLERS="cpuset cpu io memory hugetlb pids"

# cgroup_version: 2, or 1 (for hybrid too: the controllers are in the v1 hierarchies there).
cgroup_version() {
  if [ -z "${CGROUP_VERSION:-}" ]; then
    CGROUP_VERSION=1
    [ "$(stat -f -c %T "$CGROOT")" = cgroup2fs ] && CGROUP_VERSION=2
  fi
  echo "$CGROUP_VERSION"
}
cgroup_version >/dev/null

# cgroup_tree PATH: the directory whose cgroup.procs names the processes of PATH (v1: the freezer's hierarchy).
cgroup_tree() {
  if [ "$CGROUP_VERSION" = 2 ]; then echo "$CGROOT/$1"; else echo "$CGROOT/freezer/$1"; fi
}

# cgroup_check: dies with a sentence when a controller that kubelets need is missing.
cgroup_check() {
  local c missing=
  if [ "$CGROUP_VERSION" = 2 ]; then
    for c in cpu cpuset memory pids; do
      grep -qw "$c" "$CGROOT/cgroup.controllers" || missing="$missing $c"
    done
  else
    for c in cpu cpuset memory devices freezer pids; do
      [ -d "$CGROOT/$c" ] || missing="$missing $c"
    done
  fi
  [ -z "$missing" ] || die "the kernel's cgroup (v$CGROUP_VERSION) controllers are missing:$missing" \
    "Kubernetes cannot run pods without them; in a container, start it privileged with its own cgroup namespace."
}

# cgroup_prepare: v2 only; lets children of the root have controllers.
cgroup_prepare() {
  [ "$CGROUP_VERSION" = 2 ] || return 0
  # In a container the "root" is a cgroup with processes in it: they have to move to a leaf first.
  if [ -e "$CGROOT/cgroup.type" ]; then
    mkdir -p "$CGROOT/init"
    local pid
    while read -r pid; do
      echo "$pid" >"$CGROOT/init/cgroup.procs" 2>/dev/null || true # it may have ended
    done <"$CGROOT/cgroup.procs"
  fi
  cgroup2_enable "$CGROOT"
}

# cgroup2_enable DIR: hands every controller it has to its children.
cgroup2_enable() {
  local c
  for c in $V2_CONTROLLERS; do
    if grep -qw "$c" "$1/cgroup.controllers"; then
      echo "+$c" >"$1/cgroup.subtree_control"
    fi
  done
}

# cgroup_make PATH: makes the cgroup and those above it.
cgroup_make() {
  if [ "$CGROUP_VERSION" = 2 ]; then cgroup2_make "$1"; else cgroup1_make "$1"; fi
}

cgroup2_make() {
  local dir=$CGROOT part
  for part in ${1//\// }; do
    cgroup2_enable "$dir"
    dir=$dir/$part
    mkdir -p "$dir"
  done
}

cgroup1_make() {
  local c path="" part file
  for c in $V1_CONTROLLERS; do
    [ ! -d "$CGROOT/$c" ] || mkdir -p "$CGROOT/$c/$1"
  done
  # A new cpuset is empty, and no process can enter it before it is filled.
  for part in ${1//\// }; do
    path=$path/$part
    for file in cpuset.cpus cpuset.mems; do
      cat "$CGROOT/cpuset/$file" >"$CGROOT/cpuset$path/$file"
    done
  done
}

# cgroup_enter PATH: moves this shell there.
cgroup_enter() {
  local c
  if [ "$CGROUP_VERSION" = 2 ]; then
    echo "$BASHPID" >"$CGROOT/$1/cgroup.procs"
    return
  fi
  for c in cpu cpuacct memory freezer pids blkio; do
    [ ! -d "$CGROOT/$c" ] || echo "$BASHPID" >"$CGROOT/$c/$1/cgroup.procs"
  done
}

# cgroup_weight PATH WEIGHT: its part of the processors when others want them, too; 100 is what each has at first.
cgroup_weight() {
  if [ "$CGROUP_VERSION" = 2 ]; then
    echo "$2" >"$CGROOT/$1/cpu.weight"
  else
    echo $(($2 * 1024 / 100)) >"$CGROOT/cpu/$1/cpu.shares"
  fi
}

# cgroup_pids PATH: every live process at or below it.
cgroup_pids() {
  local pid
  { find "$(cgroup_tree "$1")" -name cgroup.procs -exec cat {} + 2>/dev/null || true; } | while read -r pid; do
    if process_alive "$pid"; then echo "$pid"; fi
  done
}

# cgroup_kill PATH: SIGKILL to everything in it, until nothing is left.
cgroup_kill() {
  local dir pids i
  dir=$(cgroup_tree "$1")
  [ -d "$dir" ] || return 0
  for ((i = 0; i < 200; i++)); do
    pids=$(cgroup_pids "$1")
    [ -n "$pids" ] || return 0
    if [ -e "$dir/cgroup.kill" ]; then
      echo 1 >"$dir/cgroup.kill"
    else
      # shellcheck disable=SC2086 # a list
      kill -KILL $pids 2>/dev/null || true
    fi
    sleep 0.03
  done
  warn "processes that do not die: $pids"
  return 1
}

# cgroup_freeze DIR..., cgroup_thaw DIR...: full paths, as cgroup_tree gives.
cgroup_freeze() { cgroup_set_frozen 1 FROZEN "$@"; }
cgroup_thaw() { cgroup_set_frozen 0 THAWED "$@"; }
cgroup_set_frozen() {
  local v2=$1 v1=$2 dir
  shift 2
  for dir in "$@"; do
    if [ -e "$dir/cgroup.freeze" ]; then echo "$v2" >"$dir/cgroup.freeze"; else echo "$v1" >"$dir/freezer.state"; fi
  done
}

# cgroup_thaw_all PATH: whatever a fault left frozen.
cgroup_thaw_all() {
  local dir
  { find "$(cgroup_tree "$1")" -type d 2>/dev/null || true; } | while read -r dir; do cgroup_thaw "$dir" 2>/dev/null || true; done
}

# cgroup_remove PATH: removes the empty tree in every hierarchy.
cgroup_remove() {
  local base i
  for ((i = 0; i < 25; i++)); do
    for base in "$CGROOT" "$CGROOT"/*; do
      [ ! -d "$base/$1" ] || find "$base/$1" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    done
    [ -d "$(cgroup_tree "$1")" ] || return 0
    sleep 0.2
  done
  warn "cgroups left: $(cgroup_tree "$1")"
  return 1
}
