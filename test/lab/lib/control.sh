# The control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and a provisioner of local volumes.
# shellcheck shell=bash

CONTROL=$NS/control                                  # its cgroup

control_up() {
  start_etcd
  start_apiserver
}

# control_up_rest: what needs a working API server.
control_up_rest() {
  start_controller_manager
  start_scheduler
  start local-pv "$NS" "$CONTROL" "$BIN/k8slab" local-pv --kubeconfig="$PKI/admin.kubeconfig" --dir="$RUN/pv"
}

start_etcd() {
  start etcd "$NS" "$CONTROL" "$BIN/etcd" --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
}

start_apiserver() {
  # shellcheck disable=SC2054 # commas within one flag
  local flags=(
    --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 "--advertise-address=$CP_IP"
    "--service-cluster-ip-range=$SVC_CIDR" --authorization-mode=Node,RBAC --allow-privileged=true
    "--client-ca-file=$PKI/ca.crt" "--tls-cert-file=$PKI/apiserver.crt" "--tls-private-key-file=$PKI/apiserver.key"
    "--cert-dir=$PKI"
    # to the kubelets
    "--kubelet-client-certificate=$PKI/apiserver-kubelet-client.crt"
    "--kubelet-client-key=$PKI/apiserver-kubelet-client.key"
    "--kubelet-certificate-authority=$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP
    # service accounts
    --service-account-issuer=https://kubernetes.default.svc.cluster.local
    "--service-account-key-file=$PKI/sa.pub" "--service-account-signing-key-file=$PKI/sa.key"
    # aggregated APIs and webhooks: endpoints are dialled, no kube-proxy is needed here
    --enable-aggregator-routing=true "--requestheader-client-ca-file=$PKI/ca.crt"
    --requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User
    --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra-
    "--proxy-client-cert-file=$PKI/front-proxy-client.crt" "--proxy-client-key-file=$PKI/front-proxy-client.key"
    # admission: restricted pods everywhere but in kube-system
    --enable-admission-plugins=NodeRestriction "--admission-control-config-file=$LAB_CONF/admission.yaml"
    # pods leave a dead node in seconds, not in five minutes
    "--default-not-ready-toleration-seconds=$TOLERATION_SECONDS"
    "--default-unreachable-toleration-seconds=$TOLERATION_SECONDS"
    "--audit-policy-file=$LAB_CONF/audit-policy.yaml" "--audit-log-path=$RUN/logs/audit.log" --audit-log-maxsize=200
  )
  start kube-apiserver "$NS" "$CONTROL" "$BIN/kube-apiserver" "${flags[@]}"
}

# At the default client rate its controllers need four seconds to start, one after the other.
start_controller_manager() {
  start kube-controller-manager "$NS" "$CONTROL" "$BIN/kube-controller-manager" "--kubeconfig=$PKI/kcm.kubeconfig" \
    "--authentication-kubeconfig=$PKI/kcm.kubeconfig" "--authorization-kubeconfig=$PKI/kcm.kubeconfig" \
    --leader-elect=false --use-service-account-credentials --bind-address=127.0.0.1 "--cert-dir=$PKI" \
    --kube-api-qps=500 --kube-api-burst=1000 \
    --node-monitor-period=1s "--node-monitor-grace-period=$NODE_MONITOR_GRACE" --node-startup-grace-period=30s \
    --node-eviction-rate=10 --secondary-node-eviction-rate=10 --unhealthy-zone-threshold=1 \
    "--service-account-private-key-file=$PKI/sa.key" "--root-ca-file=$PKI/ca.crt" \
    "--cluster-signing-cert-file=$PKI/ca.crt" "--cluster-signing-key-file=$PKI/ca.key"
}

start_scheduler() {
  start kube-scheduler "$NS" "$CONTROL" "$BIN/kube-scheduler" "--kubeconfig=$PKI/scheduler.kubeconfig" \
    "--authentication-kubeconfig=$PKI/scheduler.kubeconfig" "--authorization-kubeconfig=$PKI/scheduler.kubeconfig" \
    --leader-elect=false --bind-address=127.0.0.1 "--cert-dir=$PKI"
}

# apply_base: storage class, DNS, the default namespace's label.
apply_base() {
  render "$LAB_DIR/manifests/base.yaml" COREDNS_IMAGE="$COREDNS_IMAGE" DNS_IP="$DNS_IP" |
    k apply --server-side --force-conflicts -f - >"$RUN/logs/base.log" 2>&1
}

api_ready() { k get --raw /readyz; }

dns_ready() {
  [ "$(k -n kube-system get deployment coredns -o jsonpath='{.status.readyReplicas}')" = 1 ]
}
