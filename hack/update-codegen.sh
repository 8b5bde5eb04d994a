#!/usr/bin/env bash
# Regenerates everything that is generated: deep copies, pkg/client, the CRD and its reference page.
# The generators are pinned in hack/tools and built by `make tools`, which `make generate` runs first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=${TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/redis-operator-tools/bin}
module=github.com/redisoperator/redis-operator
api=$module/pkg/apis/redis/v1
client=$module/pkg/client
header=(--go-header-file hack/boilerplate.go.txt)
crd=charts/redis-operator/files/crds/redisoperator.io_redisclusters.yaml

"$tools/deepcopy-gen" "${header[@]}" --output-file zz_generated.deepcopy.go "$api"

# Generators leave files of types that are gone, so they start from nothing.
rm -rf pkg/client
"$tools/applyconfiguration-gen" "${header[@]}" \
  --output-dir pkg/client/applyconfiguration --output-pkg "$client/applyconfiguration" "$api"
"$tools/client-gen" "${header[@]}" --clientset-name versioned --input-base "" --input "$api" \
  --apply-configuration-package "$client/applyconfiguration" \
  --output-dir pkg/client/clientset --output-pkg "$client/clientset"
"$tools/lister-gen" "${header[@]}" --output-dir pkg/client/listers --output-pkg "$client/listers" "$api"
"$tools/informer-gen" "${header[@]}" \
  --versioned-clientset-package "$client/clientset/versioned" --listers-package "$client/listers" \
  --output-dir pkg/client/informers --output-pkg "$client/informers" "$api"

"$tools/controller-gen" crd:generateEmbeddedObjectMeta=true paths=./pkg/apis/... \
  output:crd:dir="$(dirname "$crd")"
go run ./hack/crddoc "$crd" docs/reference/rediscluster.md
