# One node: containerd, kubelet, kube-proxy (and a NetworkPolicy enforcer), in its network namespace and cgroup.
# shellcheck shell=bash

node_dir() { echo "$RUN/nodes/$1"; }

# node_prepare NODE: everything a node has before its first daemon starts.
node_prepare() {
  local node=$1 dir
  dir=$(node_dir "$node")
  mkdir -p "$dir"/{containerd,cni,kubelet,podlogs} "$RUN/pv/$node"
  # A file system of their own, so that a full disk is the volumes' only (fault fill).
  mount -t tmpfs -o "size=$VOLUMES" lab-volumes "$RUN/pv/$node"
  net_up_node "$node"
  cgroup_make "$NS/$node/system"
  pki_node "$node"
  seed_node "$dir"
  render "$LAB_DIR/conf/10-bridge.conflist" DIR="$dir" SUBNET="$(node_pods "$node")" NET="$NS-$node" >"$dir/cni/10-bridge.conflist"
  render "$LAB_DIR/conf/containerd.toml" DIR="$dir" SOCKET="$SOCKETS/$node.sock" CNI_BIN="$CNI_BIN" \
    PAUSE_IMAGE="$PAUSE_IMAGE" >"$dir/containerd.toml"
  render "$LAB_DIR/conf/kubelet.yaml" RUN="$RUN" DIR="$dir" NODE="$node" CG="$NS/$node" NODE_IP="$(node_ip "$node")" \
    SOCKET="$SOCKETS/$node.sock" DNS_IP="$DNS_IP" STATUS_FREQ="$NODE_STATUS_EVERY" LEASE="$NODE_LEASE_SECONDS" >"$dir/kubelet.yaml"
  render "$LAB_DIR/conf/kube-proxy.yaml" RUN="$RUN" POD_CIDR="$POD_CIDR" MODE="$PROXY_MODE" >"$dir/kube-proxy.yaml"
}

# start_on NODE UNIT CMD...
start_on() {
  local node=$1 unit=$2
  shift 2
  start "$node-$unit" "$NS-$node" "$NS/$node/system" "$@"
}

node_start_containerd() { start_on "$1" containerd containerd -c "$(node_dir "$1")/containerd.toml"; }

containerd_ready() { ctr_on "$1" version; }

# node_start_kubelet NODE: a kubelet ends at once when containerd does not answer, so wait for it. And all kubelets of this
# machine bind one path for device plugins, having removed what is there: of two that do so at the same moment one ends.
node_start_kubelet() {
  local node=$1 dir
  dir=$(node_dir "$node")
  wait_for 60 "$node: containerd answers" containerd_ready "$node"
  start_on "$node" kubelet "$BIN/kubelet" --config="$dir/kubelet.yaml" --kubeconfig="$PKI/$node.kubeconfig" \
    --root-dir="$dir/kubelet" --cert-dir="$dir/kubelet/pki" --hostname-override="$node" --node-ip="$(node_ip "$node")" \
    --node-labels="topology.kubernetes.io/zone=$(node_zone "$node"),topology.kubernetes.io/region=lab"
  kubelet_bound "$node"
  start_on "$node" kube-proxy "$BIN/kube-proxy" --config="$dir/kube-proxy.yaml" --hostname-override="$node"
  if [ "$NETPOL" = 1 ]; then
    start_on "$node" netpol "$BIN/k8slab" netpol --kubeconfig="$PKI/admin.kubeconfig" --node="$node"
  fi
}

# kubelet_bound NODE: returns when the kubelet has bound its socket for device plugins, or has ended.
kubelet_bound() {
  local deadline=$((SECONDS + 20))
  until in_node "$1" grep -q ' /var/lib/kubelet/device-plugins/kubelet.sock$' /proc/net/unix; do
    if ((SECONDS >= deadline)) || ! unit_alive "$1-kubelet"; then return; fi
    sleep 0.1
  done
}

# node_boot NODE: all daemons of a node that was there before (after a power cut).
node_boot() {
  node_start_containerd "$1"
  node_start_kubelet "$1"
}

node_ready() {
  [ "$(k get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ]
}
