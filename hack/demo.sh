#!/usr/bin/env bash
# A Redis Cluster of three masters and three replicas, from nothing: make demo, make demo-down.
#
# Where KUBECONFIG names a cluster that answers, the demo runs there, with images that it can pull:
#   OPERATOR_IMAGE, REDISNODE_IMAGE (default: the charts' own)   REDIS_IMAGE (default: the chart's own)
# Otherwise it starts a Kubernetes of its own on this machine (test/lab), and builds and loads the images.
# NAMESPACE is where the Redis Cluster goes (default: default). Run it as often as you like.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CLUSTER=mycluster
NAMESPACE=${NAMESPACE:-default}
OPERATOR_NAMESPACE=${OPERATOR_NAMESPACE:-redis-operator}
TIMEOUT=${TIMEOUT:-180s}
lab=test/lab/lab.sh

# step TEXT: a line of progress with the seconds since the start.
step() { printf '\n\033[1m[%3d s] %s\033[0m\n' "$SECONDS" "$*"; }
note() { printf '        %s\n' "$*"; }
die() {
  printf 'demo: %s\n' "$@" >&2
  exit 1
}

# --- which Kubernetes ----------------------------------------------------------------------------------------

lab_kubeconfig() { echo "$("$lab" cache)/run/${NS:-rdclab}/kubeconfig"; }

# find_kubernetes: sets mode to "own" (KUBECONFIG's) or "lab".
find_kubernetes() {
  mode=lab
  if [ -z "${KUBECONFIG:-}" ] || [ "$KUBECONFIG" = "$(lab_kubeconfig)" ]; then return; fi
  if command -v kubectl >/dev/null && kubectl get --raw /readyz --request-timeout=5s >/dev/null 2>&1; then
    mode=own
  else
    note "KUBECONFIG=$KUBECONFIG does not answer (or there is no kubectl): using the lab"
  fi
}

use_lab() {
  eval "$("$lab" env)"
  export KUBECONFIG
}

helm_is() {
  if command -v helm >/dev/null; then helm=helm; else helm=$(hack/tools.sh helm); fi
}

# image_flags PREFIX IMAGE: --set flags for repository and tag, nothing for no image.
image_flags() {
  [ -n "$2" ] || return 0
  [[ ${2##*/} == *:* ]] || die "image '$2' has no tag"
  printf '%s\n' --set "$1image.repository=${2%:*}" --set-string "$1image.tag=${2##*:}"
}

# --- up ------------------------------------------------------------------------------------------------------

demo_up() {
  find_kubernetes
  if [ "$mode" = lab ]; then
    lab_with_images
  else
    step "Kubernetes: the cluster that KUBECONFIG names"
    kubectl version 2>/dev/null | sed -n 's/^Server/        Server/p'
    make -s bin/kubectl-redis_cluster
  fi
  export PATH=$PWD/bin:$PATH
  helm_is
  install_operator
  install_cluster
  wait_until_ready
  write_and_read
  show
  what_next
}

lab_with_images() {
  step "Kubernetes: three nodes in three zones on this machine (built once: the first run takes many minutes)"
  make -s lab-up NODES="${NODES:-3}" | sed '/^$/d; s/^/        /'
  use_lab
  OPERATOR_IMAGE=ghcr.io/redisoperator/operator:dev
  REDISNODE_IMAGE=ghcr.io/redisoperator/redisnode:dev
  step "Images: the operator and redisnode, built from this clone"
  make -s lab-images | sed 's/^/        /'
  # The tag stays the same when the binaries change: this makes Kubernetes notice.
  build_flags=(--set-string "podAnnotations.redisoperator\.io/build=$(cat bin/operator bin/redisnode | sha256sum | cut -c1-12)")
}

build_flags=()
install_operator() {
  local flags
  step "helm upgrade --install op charts/redis-operator"
  mapfile -t flags < <(image_flags "" "${OPERATOR_IMAGE:-}"; image_flags "redisnode." "${REDISNODE_IMAGE:-}")
  "$helm" upgrade --install op charts/redis-operator --namespace "$OPERATOR_NAMESPACE" --create-namespace \
    "${flags[@]}" "${build_flags[@]}" --wait --timeout "$TIMEOUT" >/dev/null || {
    kubectl -n "$OPERATOR_NAMESPACE" get pods,events || true
    die "the operator did not start"
  }
  note "the operator is running in namespace $OPERATOR_NAMESPACE"
}

install_cluster() {
  local flags
  step "helm upgrade --install $CLUSTER charts/redis-cluster --set numberOfMaster=3 --set replicationFactor=1"
  mapfile -t flags < <(image_flags "" "${REDIS_IMAGE:-}")
  "$helm" upgrade --install "$CLUSTER" charts/redis-cluster --namespace "$NAMESPACE" \
    --set numberOfMaster=3 --set replicationFactor=1 "${flags[@]}" >/dev/null
  note "RedisCluster $NAMESPACE/$CLUSTER is there; what the operator does with it:"
}

condition() {
  kubectl -n "$NAMESPACE" get rdc "$CLUSTER" -o jsonpath="{.status.conditions[?(@.type==\"$1\")]['$2']}" 2>/dev/null || true
}

# wait_until_ready: every new message of the operator is a line.
wait_until_ready() {
  local waiter message last=
  kubectl -n "$NAMESPACE" wait --for=condition=Ready "rdc/$CLUSTER" --timeout="$TIMEOUT" >/dev/null 2>&1 &
  waiter=$!
  while kill -0 "$waiter" 2>/dev/null; do
    message=$(condition Progressing message)
    if [ -n "$message" ] && [ "$message" != "$last" ]; then
      note "$(printf '[%3d s] %s' "$SECONDS" "$message")"
      last=$message
    fi
    sleep 0.3
  done
  wait "$waiter" || not_ready
  step "Ready"
}

not_ready() {
  kubectl -n "$NAMESPACE" describe rdc "$CLUSTER" | tail -40 >&2 || true
  kubectl -n "$NAMESPACE" get pods -l "redisoperator.io/cluster=$CLUSTER" -o wide >&2 || true
  kubectl -n "$OPERATOR_NAMESPACE" logs -l app.kubernetes.io/instance=op --tail=20 >&2 || true
  die "$NAMESPACE/$CLUSTER is not Ready after $TIMEOUT: $(condition Ready message)"
}

# --- a key through one node, read through another ------------------------------------------------------------

# redis_in POD ARGS...: the client in that pod. The password goes in on standard input: it is on no command line.
redis_in() {
  local pod=$1
  shift
  kubectl -n "$NAMESPACE" get secret "$CLUSTER-auth" -o jsonpath='{.data.password}' | base64 -d |
    kubectl -n "$NAMESPACE" exec -i "$pod" -c redis -- sh -c '
      IFS= read -r REDISCLI_AUTH || [ -n "$REDISCLI_AUTH" ]
      export REDISCLI_AUTH VALKEYCLI_AUTH="$REDISCLI_AUTH"
      cli=redis-cli; command -v redis-cli >/dev/null || cli=valkey-cli
      exec "$cli" -c "$@" </dev/null' redis "$@"
}

write_and_read() {
  local value answer
  value="hello from the demo, $(date +%T)"
  step "A key written through $CLUSTER-0, read through $CLUSTER-1"
  answer=$(redis_in "$CLUSTER-0" set demo:greeting "$value")
  note "$CLUSTER-0: set demo:greeting -> $answer"
  answer=$(redis_in "$CLUSTER-1" get demo:greeting)
  note "$CLUSTER-1: get demo:greeting -> $answer"
  [ "$answer" = "$value" ] || die "read '$answer', wrote '$value'"
}

show() {
  step "kubectl get rdc"
  kubectl -n "$NAMESPACE" get rdc
  step "kubectl redis-cluster $CLUSTER"
  kubectl redis-cluster -n "$NAMESPACE" "$CLUSTER"
}

what_next() {
  step "Done. What next:"
  if [ "$mode" = lab ]; then
    note "enter     eval \"\$($lab env)\"; export PATH=$PWD/bin:\$PATH"
  fi
  cat <<TEXT
        password  kubectl -n $NAMESPACE get secret $CLUSTER-auth -o jsonpath='{.data.password}' | base64 -d
        connect   kubectl -n $NAMESPACE exec -it $CLUSTER-0 -c redis -- redis-cli -c      (then: AUTH <password>)
        scale     kubectl -n $NAMESPACE scale rdc/$CLUSTER --replicas=5
        watch     kubectl -n $NAMESPACE get rdc -w
        stop      make demo-down
TEXT
}

# --- down ----------------------------------------------------------------------------------------------------

demo_down() {
  find_kubernetes
  if [ "$mode" = lab ]; then
    step "stopping the lab, and the demo with it"
    "$lab" down
    return
  fi
  helm_is
  step "helm uninstall $CLUSTER"
  "$helm" uninstall "$CLUSTER" --namespace "$NAMESPACE" --ignore-not-found
  kubectl -n "$NAMESPACE" wait --for=delete "rdc/$CLUSTER" --timeout="$TIMEOUT" >/dev/null 2>&1 || true
  kubectl -n "$NAMESPACE" wait --for=delete pod -l "redisoperator.io/cluster=$CLUSTER" --timeout="$TIMEOUT" >/dev/null 2>&1 || true
  step "helm uninstall op (the CustomResourceDefinitions stay)"
  "$helm" uninstall op --namespace "$OPERATOR_NAMESPACE" --ignore-not-found
}

case ${1:-up} in
  up) demo_up ;;
  down) demo_down ;;
  *) die "usage: hack/demo.sh up|down" ;;
esac
