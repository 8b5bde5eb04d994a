#!/usr/bin/env bash
# Builds the pinned build tools, each once per version, outside of the clone.
#
#   hack/tools.sh NAME...   builds what is missing, links it as $TOOLS/NAME, and prints the path of the last one
#   hack/tools.sh list      the names
#
# Versions are pinned by hack/tools/*/go.mod. TOOLS is ~/.cache/redis-operator-tools/bin unless it is set.
set -euo pipefail
shopt -s inherit_errexit # a tool that does not build must not be linked
cd "$(dirname "${BASH_SOURCE[0]}")/tools"

TOOLS=${TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/redis-operator-tools/bin}
store=$(dirname "$TOOLS")/store

# name               module           package
table='
controller-gen         controller-gen   sigs.k8s.io/controller-tools/cmd/controller-gen
deepcopy-gen           code-generator   k8s.io/code-generator/cmd/deepcopy-gen
client-gen             code-generator   k8s.io/code-generator/cmd/client-gen
lister-gen             code-generator   k8s.io/code-generator/cmd/lister-gen
informer-gen           code-generator   k8s.io/code-generator/cmd/informer-gen
applyconfiguration-gen code-generator   k8s.io/code-generator/cmd/applyconfiguration-gen
golangci-lint          golangci-lint    github.com/golangci/golangci-lint/v2/cmd/golangci-lint
helm                   helm             helm.sh/helm/v3/cmd/helm
goreleaser             goreleaser       github.com/goreleaser/goreleaser/v2
'

# tool_version MODULE-DIR PACKAGE: the pinned version of the module that the package is in.
tool_version() {
  awk -v package="$2" 'index(package "/", $1 "/") == 1 && length($1) > best {best = length($1); v = $2} END {print v}' "$1/go.mod"
}

# build NAME: prints the path. The key has everything that the result depends on.
build() {
  local name=$1 module package key target
  read -r _ module package < <(awk -v n="$name" '$1 == n' <<<"$table") ||
    { echo "hack/tools.sh: no tool '$name'" >&2; exit 2; }
  key=$({ cat "$module/go.mod" "$module/go.sum"; go env GOVERSION; } | sha256sum | cut -c1-12)
  target=$store/$name-$key
  mkdir -p "$store" "$TOOLS"
  if [ ! -x "$target" ]; then
    (
      flock 9
      [ ! -x "$target" ] || exit 0
      echo "building $name $(tool_version "$module" "$package") (once)" >&2
      cd "$module"
      CGO_ENABLED=0 GOFLAGS="-buildvcs=false -modcacherw" nice go build -trimpath -ldflags='-s -w' -o "$target.new" "$package"
      mv "$target.new" "$target"
    ) 9>"$store/$name.lock"
  fi
  [ "$(readlink "$TOOLS/$name")" = "$target" ] || ln -sfn "$target" "$TOOLS/$name"
  echo "$TOOLS/$name"
}

case ${1:-} in
  "") sed -n '2,8s/^# \{0,1\}//p' "../$(basename "$0")"; exit 2 ;;
  list) awk 'NF {print $1}' <<<"$table"; exit ;;
esac
path=
for name in "$@"; do path=$(build "$name"); done
echo "$path"
