# Networks: one namespace for the control plane, one for each node, a bridge between, a cable to this machine.
#
#   $NS          br0 198.18.255.1/24        etcd, kube-apiserver :6443, controllers, scheduler
#   $NS-nodeN    eth0 198.18.255.(10+N)     its cable's other end is interface nodeN of $NS
#                cni0 198.18.N.1/24         pods
#   this machine $NS-host 198.18.255.254    so that kubectl, helm and tests run outside of any namespace
# shellcheck shell=bash

HOST_LINK=$NS-host

net_up_plane() {
  ip netns add "$NS"
  in_plane ip link set lo up
  in_plane ip link add br0 type bridge
  in_plane ip addr add "$CP_IP/24" dev br0
  in_plane ip link set br0 up
  in_plane sysctl -qw net.ipv4.ip_forward=1
  # Services are reached through node1's kube-proxy: the control plane runs none.
  in_plane ip route add "$SVC_CIDR" via "$(node_ip node1)"
}

# net_up_node NODE: host-gw routing: every node knows every other's pod subnet by the node's address; no masquerade.
net_up_node() {
  local node=$1 other
  ip netns add "$NS-$node"
  in_node "$node" ip link set lo up
  in_plane ip link add "$node" type veth peer name eth0 netns "/run/netns/$NS-$node"
  in_plane ip link set "$node" master br0 up
  in_node "$node" ip addr add "$(node_ip "$node")/24" dev eth0
  in_node "$node" ip link set eth0 up
  in_node "$node" ip route add default via "$CP_IP"
  in_node "$node" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
  for other in node1 node2 node3; do
    [ "$other" = "$node" ] || in_node "$node" ip route add "$(node_pods "$other")" via "$(node_ip "$other")"
  done
  in_plane ip route add "$(node_pods "$node")" via "$(node_ip "$node")"
}

# net_up_host: joins this machine to the bridge, unless its routes say that somebody else has these addresses.
net_up_host() {
  local other
  if [ -n "$(ip route show to root 198.18.0.0/15)" ]; then
    warn "this machine has a route to 198.18.0.0/15 already (another lab?): the host is not joined to this lab;" \
      "use '$LAB_DIR/lab.sh kubectl' and '$LAB_DIR/lab.sh enter CMD'"
    return 0
  fi
  ip link add "$HOST_LINK" type veth peer name host netns "/run/netns/$NS"
  in_plane ip link set host master br0 up
  ip addr add "$HOST_IP/24" dev "$HOST_LINK"
  ip link set "$HOST_LINK" up
  for other in node1 node2 node3; do
    ip route add "$(node_pods "$other")" via "$(node_ip "$other")" dev "$HOST_LINK"
  done
  ip route add "$SVC_CIDR" via "$(node_ip node1)" dev "$HOST_LINK"
}

# net_down: the namespaces take their interfaces and routes with them.
net_down() {
  local name
  ip link del "$HOST_LINK" 2>/dev/null || true
  ip netns list 2>/dev/null | awk '{print $1}' | while read -r name; do
    case $name in "$NS" | "$NS"-node[0-9]) ip netns del "$name" ;; esac
  done
}
