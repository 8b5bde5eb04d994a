# The lab's programs, built once for each state of test/lab/src and kept in the cache.
# shellcheck shell=bash

KUBE_VERSION=1.36.3
BIN=                                                 # set by bin_locate or bin_running

# bin_running: the programs that the running lab was started with.
bin_running() { BIN=$(readlink -f "$RUN/bin"); }

# bin_locate: where the programs of this clone's sources are or will be.
bin_locate() {
  local hash
  hash=$(cd "$LAB_DIR/src" && {
    echo "$KUBE_VERSION" "$(uname -m)"
    find . -type f \( -name '*.go' -o -name go.mod -o -name go.sum \) | LC_ALL=C sort | xargs sha256sum
  } | sha256sum | cut -c1-12)
  BIN=$CACHE/bin/$hash
}

# build_binaries: nothing to do when they are in the cache.
build_binaries() {
  bin_locate
  [ ! -e "$BIN/complete" ] || return 0
  check_go
  mkdir -p "$CACHE/bin" "$CACHE/logs"
  exec 8>"$CACHE/build.lock"
  flock 8 # a second builder waits and finds it done
  if [ ! -e "$BIN/complete" ]; then
    say "building the lab's Kubernetes (many minutes the first time, on two cores about ten)"
    mkdir -p "$BIN"
    build_all >"$CACHE/logs/build.log" 2>&1 ||
      { tail -20 "$CACHE/logs/build.log" >&2; die "the build failed (log: $CACHE/logs/build.log)"; }
    touch "$BIN/complete"
    say "built"
  fi
  flock -u 8
}

build_all() {
  export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -modcacherw"
  build_k8s && build_go coredns && build_go mkimage && build_go nfdelay && build_pause && write_sums
}

# write_sums: what images are keyed by.
write_sums() {
  local name
  for name in coredns mkimage pause; do sha256sum <"$BIN/$name" >"$BIN/$name.sum" || return 1; done
}

# build_go NAME
build_go() {
  (cd "$LAB_DIR/src/$1" && nice go build -trimpath -ldflags='-s -w' -o "$BIN/$1" .)
}

# One program with many names, as busybox is: the whole of Kubernetes and etcd in one link.
build_k8s() {
  local v=k8s.io/component-base/version name
  (cd "$LAB_DIR/src/k8s" && nice go build -trimpath -o "$BIN/k8slab" -ldflags "-s -w
    -X $v.gitVersion=v$KUBE_VERSION -X $v.gitMajor=1 -X $v.gitMinor=36 -X $v.gitCommit=k8slab
    -X $v.buildDate=2026-07-22T00:00:00Z -X k8s.io/client-go/pkg/version.gitVersion=v$KUBE_VERSION" .) || return 1
  for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
    ln -sf k8slab "$BIN/$name"
  done
}

# The pause container's program is upstream's own C file.
build_pause() {
  local kubernetes
  kubernetes=$(cd "$LAB_DIR/src/k8s" && go list -m -f '{{.Dir}}' k8s.io/kubernetes) || return 1
  gcc -Os -static -s -o "$BIN/pause" "$kubernetes/build/pause/linux/pause.c"
}
