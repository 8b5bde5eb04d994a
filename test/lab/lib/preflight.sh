# What a machine must have: root, commands (from Debian packages), kernel features.
# shellcheck shell=bash

# command -> Debian package. A command that is there is used, whoever installed it.
LAB_COMMANDS="containerd=containerd ctr=containerd runc=runc iptables=iptables nft=nftables conntrack=conntrack
  socat=socat ethtool=ethtool busybox=busybox-static ip=iproute2 tc=iproute2 openssl=openssl nsenter=util-linux flock=util-linux"
BUILD_COMMANDS="gcc=gcc"
ENGINE_COMMANDS="mmdebstrap=mmdebstrap"

CNI_BIN=
find_cni() {
  local dir
  for dir in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
    if [ -x "$dir/bridge" ] && [ -x "$dir/host-local" ] && [ -x "$dir/portmap" ]; then
      CNI_BIN=$dir
      return 0
    fi
  done
  return 1
}

# check_settings: refuses what would fail later with a riddle.
check_settings() {
  [[ $NS =~ ^[a-z][a-z0-9]{0,8}$ ]] || die "NS='$NS': use 1 to 9 small letters and digits, a letter first"
  [[ $NODES =~ ^[1-3]$ ]] || die "NODES='$NODES': use 1, 2 or 3"
  [[ $CACHE =~ ^/[A-Za-z0-9/._-]+$ ]] && [ ${#CACHE} -le 48 ] ||
    die "the cache path '$CACHE' must be absolute, at most 48 characters, of letters, digits and ./_- only" \
      "(unix sockets of kubelets have short paths); set REDIS_OPERATOR_LAB_CACHE to another one"
}

# need_root VERB ARGS: goes on as root, by sudo when it is there.
need_root() {
  [ "$(id -u)" != 0 ] || return 0
  command -v sudo >/dev/null || die "'$1' needs root: network namespaces, mounts and cgroups are made (and there is no sudo)"
  # Go's caches must stay the user's own: build before the change of user.
  [ "$1" != up ] || build_binaries
  exec sudo env "PATH=$PATH" "REDIS_OPERATOR_LAB_CACHE=$CACHE" "HOME=$HOME" "NS=$NS" "NODES=$NODES" "NETPOL=$NETPOL" \
    "PROXY_MODE=$PROXY_MODE" "$LAB_DIR/lab.sh" "$@"
}

# missing_packages LIST: packages of the commands in LIST that are not there.
missing_packages() {
  local pair
  for pair in $1; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null || echo "${pair#*=}"
  done | sort -u
}

# install_packages WHY LIST...
install_packages() {
  local why=$1 packages
  shift
  packages=$(for list in "$@"; do missing_packages "$list"; done | sort -u)
  if [ "$why" = lab ] && ! find_cni; then packages="$packages containernetworking-plugins"; fi
  if [[ " $packages " == *gcc* ]]; then packages="$packages libc6-dev"; fi
  [ -n "${packages// /}" ] || return 0
  packages=$(echo $packages)
  command -v apt-get >/dev/null || die "these packages are missing, and this system has no apt-get: $packages" \
    "install what has these commands by hand:" "$(echo "$@" | tr -s ' \n' '\n' | cut -d= -f1 | tr '\n' ' ')"
  [ "$(id -u)" = 0 ] || die "these packages are missing and only root can install them: apt-get install $packages"
  say "installing: $packages"
  mkdir -p "$CACHE/logs"
  # shellcheck disable=SC2086 # a list
  { apt-get update -q && apt-get install -qy --no-install-recommends $packages; } >"$CACHE/logs/apt.log" 2>&1 ||
    { tail -5 "$CACHE/logs/apt.log" >&2; die "apt-get could not install: $packages (log: $CACHE/logs/apt.log)"; }
  if [ "$why" = lab ]; then find_cni || die "no CNI plugins in /usr/lib/cni or /opt/cni/bin"; fi
}

# check_kernel: tries each feature in a throw-away network namespace, which goes away with its process.
check_kernel() {
  modprobe -qa overlay br_netfilter veth nf_tables nf_conntrack 2>/dev/null || true # built in, or not needed
  unshare --net true 2>/dev/null || die "cannot make a network namespace (in a container: start it privileged)"
  kernel_has "bridges" ip link add labbr0 type bridge
  kernel_has "veth pairs" ip link add laba type veth peer name labb
  kernel_has "nf_tables" nft add table inet lab
  kernel_has "bridge netfilter (module br_netfilter)" test -e /proc/sys/net/bridge/bridge-nf-call-iptables
  check_overlay
}

kernel_has() {
  local what=$1
  shift
  unshare --net "$@" 2>/dev/null || die "this kernel has no $what: the lab cannot run here (tried: $*)"
}

# check_overlay: containerd needs overlayfs above the cache's file system.
check_overlay() {
  local dir=$CACHE/overlaytest.$$ ok=0
  mkdir -p "$dir"/{lower,upper,work,merged}
  unshare --mount mount -t overlay lab -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged" 2>/dev/null && ok=1
  rm -rf "$dir"
  [ $ok = 1 ] || die "overlayfs does not work above $CACHE (is that an overlay itself?)" \
    "set REDIS_OPERATOR_LAB_CACHE to a directory on a plain file system (ext4, xfs, tmpfs)"
}

# check_go: a Go new enough for the lab's modules.
check_go() {
  command -v go >/dev/null || die "Go is needed to build the lab: put 'go' (1.26 or newer) on PATH"
}
