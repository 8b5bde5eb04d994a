#!/usr/bin/env bash
# Builds both container images with whatever builder is here. usage: hack/images.sh OPERATOR_IMAGE REDISNODE_IMAGE
#
# BUILDER=docker|podman|buildah (default: the first that is installed)
# PREBUILT=1: no image with Go is needed; the binaries of `make build` are packed (needs a builder with COPY --chmod)
# BASE=gcr.io/distroless/static:nonroot or the like: another base than scratch
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

operator=${1:?usage: hack/images.sh OPERATOR_IMAGE REDISNODE_IMAGE}
redisnode=${2:?usage: hack/images.sh OPERATOR_IMAGE REDISNODE_IMAGE}
version=$(git describe --tags --always --dirty 2>/dev/null || echo dev)

builder=${BUILDER:-}
for candidate in docker podman buildah; do
  if [ -z "$builder" ] && command -v "$candidate" >/dev/null; then builder=$candidate; fi
done
[ -n "$builder" ] || {
  echo "images: no docker, podman or buildah here; 'make lab-images' makes the images without one, for the lab" >&2
  exit 1
}

flags=(--build-arg "VERSION=$version")
[ -z "${BASE:-}" ] || flags+=(--build-arg "BASE=$BASE")
if [ "${PREBUILT:-0}" = 1 ]; then
  make -s build
  # No stage of ours may then name an image with Go, not even an unused one.
  flags+=(--build-arg BUILT=prebuilt --build-arg BUILDER=scratch)
fi

build() { # build NAME IMAGE
  echo "images: $2 (with $builder)"
  if [ "$builder" = buildah ]; then
    # shellcheck disable=SC2086 # flags
    buildah ${BUILDAH_FLAGS:-} bud "${flags[@]}" ${BUILDAH_BUD_FLAGS:-} -t "$2" -f "docker/$1/Dockerfile" .
  else
    "$builder" build "${flags[@]}" -t "$2" -f "docker/$1/Dockerfile" .
  fi
}
build operator "$operator"
build redisnode "$redisnode"
