# Container images without a registry: a directory becomes a docker-archive (mkimage), containerd imports it.
#
# "seed": the root of a containerd that has imported every image once. Each node starts with hard links to it.
# shellcheck shell=bash

PAUSE_IMAGE=rdclab.local/pause:3.10
COREDNS_IMAGE=rdclab.local/coredns:v1.15.0
IMAGE_RECIPE=1 # raise it when the contents of an image change for another reason than its sources

# build_images: every archive that is missing, and the seed. Sets SEED.
build_images() {
  local name dir=$CACHE/images
  mkdir -p "$dir" "$CACHE/seed" "$CACHE/logs"
  exec 8>"$CACHE/images.lock"
  flock 8
  ARCHIVES=()
  make_archive "$dir/pause-$(image_key "$BIN/pause.sum").tar" image_pause
  make_archive "$dir/coredns-$(image_key "$BIN/coredns.sum").tar" image_coredns
  make_archive "$dir/busybox-$(image_key).tar" image_busybox
  for name in $(engines_ready); do
    make_archive "$dir/$name-$(image_key "$CACHE/engines/$name/VERSION").tar" image_engine "$name"
  done
  SEED=$CACHE/seed/$({ printf '%s\n' "${ARCHIVES[@]}"; containerd --version; } | sha256sum | cut -c1-12)
  if [ ! -d "$SEED" ]; then
    say "importing ${#ARCHIVES[@]} images once for all nodes"
    make_seed >"$CACHE/logs/seed.log" 2>&1 ||
      { tail -5 "$CACHE/logs/seed.log" >&2; die "importing the images failed (log: $CACHE/logs/seed.log)"; }
  fi
  prune "${ARCHIVES[@]}" "$SEED" "$BIN"
  flock -u 8
}

# prune KEEP...: marks these as used, and removes from the cache what nobody has used for two weeks.
prune() {
  touch "$@"
  find "$CACHE"/{bin,images,seed} -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf --one-file-system {} +
}

# image_key FILE...: changes with the files, with the image maker and with the recipe.
image_key() { cat "$BIN/mkimage.sum" "$@" - <<<"$IMAGE_RECIPE" | sha256sum | cut -c1-12; }

# make_archive FILE FUNCTION ARGS...: calls FUNCTION with a fresh root directory and FILE when FILE is missing.
make_archive() {
  local file=$1 function=$2 work
  shift 2
  ARCHIVES+=("$file")
  [ ! -e "$file" ] || return 0
  work=$(mktemp -d "$CACHE/images/work.XXXXXX")
  chmod 755 "$work"
  mkdir "$work/root"
  "$function" "$work/root" "$work/image.tar" "$@"
  mv "$work/image.tar" "$file"
  rm -rf "$work"
}

image_pause() {
  cp "$BIN/pause" "$1/pause"
  "$BIN/mkimage" -root "$1" -tag "$PAUSE_IMAGE" -entrypoint /pause -user 65535:65535 -o "$2"
}

image_coredns() {
  mkdir "$1/etc"
  cp "$BIN/coredns" "$1/coredns"
  "$BIN/mkimage" -root "$1" -tag "$COREDNS_IMAGE" -entrypoint /coredns -o "$2"
}

image_busybox() {
  add_base "$1"
  "$BIN/mkimage" -root "$1" -tag busybox:1 -user 65534:65534 -cmd sh -o "$2"
}

# image_engine ROOT FILE NAME: like the official images: user 999, workdir /data, a shell inside.
image_engine() {
  local name=$3 server
  server=$(engine_table | awk -v n="$name" '$1 == n {print $2}')
  cp -a "$CACHE/engines/$name/root/." "$1"
  add_base "$1"
  mkdir -p "$1/data"
  chown 999:999 "$1/data"
  "$BIN/mkimage" -root "$1" -tag "$(engine_image "$name")" -user 999:999 -workdir /data -cmd "$server" -o "$2"
}

# add_base ROOT: users, name resolution and busybox's commands, wherever the root has none of its own.
add_base() {
  local root=$1 d applet busybox
  mkdir -p "$root"/{etc,tmp,proc,sys,dev,run,root,usr/bin,usr/sbin,usr/lib,usr/lib64}
  for d in bin sbin lib lib64; do
    [ -e "$root/$d" ] || [ -L "$root/$d" ] || ln -s "usr/$d" "$root/$d"
  done
  chmod 755 "$root"
  chmod 1777 "$root/tmp"
  printf '%s\n' root:x:0:0:root:/root:/bin/sh redis:x:999:999::/data:/bin/sh nobody:x:65534:65534::/:/bin/sh >"$root/etc/passwd"
  printf '%s\n' root:x:0: redis:x:999: nobody:x:65534: >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  busybox=$(command -v busybox)
  cp "$busybox" "$root/usr/bin/busybox"
  for applet in $("$busybox" --list); do
    if [ ! -e "$root/usr/bin/$applet" ] && [ ! -e "$root/bin/$applet" ]; then ln -s busybox "$root/usr/bin/$applet"; fi
  done
}

# make_seed: a containerd of its own imports everything, ends, and leaves its root.
make_seed() {
  local work=$SEED.new pid archive
  rm -rf "$work"
  mkdir -p "$work/cni" "$work/containerd" "/run/redis-operator-lab/seed"
  render "$LAB_DIR/conf/containerd.toml" DIR="$work" SOCKET="/run/redis-operator-lab/seed/c.sock" \
    CNI_BIN="$CNI_BIN" PAUSE_IMAGE="$PAUSE_IMAGE" >"$work/config.toml"
  (exec 8>&- 9>&-; exec containerd -c "$work/config.toml") &
  pid=$!
  local client=(ctr -a /run/redis-operator-lab/seed/c.sock -n k8s.io)
  wait_for 30 "containerd answers" "${client[@]}" version || { kill "$pid"; return 1; }
  for archive in "${ARCHIVES[@]}"; do
    "${client[@]}" images import --snapshotter overlayfs "$archive" || { kill "$pid"; return 1; }
  done
  kill "$pid"
  wait "$pid" || true
  mv "$work/containerd/root" "$SEED"
  rm -rf "$work" /run/redis-operator-lab/seed
}

# seed_node DIR: gives a node the seed: blobs and snapshots as hard links, databases as copies.
seed_node() {
  local dir=$1
  cp -al "$SEED" "$dir/containerd/root"
  (cd "$SEED" && find . -name '*.db' -exec cp --remove-destination {} "$dir/containerd/root/{}" \;)
}

# load_archives NODE TAR...
load_archives() {
  local node=$1 archive
  shift
  for archive in "$@"; do
    ctr_on "$node" images import --snapshotter overlayfs "$archive" >>"$RUN/logs/$node-import.log" 2>&1 || return 1
  done
}

# image_load TAG BINARY [USER]...: one static binary as an image FROM scratch, on every running node.
# The same bytes again are not loaded again.
image_load() {
  local tag=$1 binary=$2 user=${3:-65532:65532}
  local name path sum stamp node pids=()
  [ -f "$binary" ] || die "no such binary: $binary"
  name=$(basename "${tag%%:*}")
  path=/$name
  stamp=$RUN/images/$name
  sum="$tag $path $user $(sha256sum <"$binary")"
  mkdir -p "$RUN/images"
  if [ "$(cat "$stamp.sum" 2>/dev/null)" = "$sum" ]; then
    say "$tag: unchanged"
    return 0
  fi
  rm -f "$stamp.sum"
  make_binary_image "$tag" "$binary" "$path" "$user" "$stamp.tar"
  for node in $(nodes); do
    load_archives "$node" "$stamp.tar" &
    pids+=($!)
  done
  wait_all "${pids[@]}" || die "importing $tag failed (logs: $RUN/logs/NODE-import.log)"
  echo "$sum" >"$stamp.sum"
  say "$tag: loaded on $(nodes | tr '\n' ' ')"
}

# make_binary_image TAG BINARY PATH USER FILE
make_binary_image() {
  local work
  work=$(mktemp -d "$CACHE/images/work.XXXXXX")
  mkdir -p "$work/root/tmp"
  chmod 755 "$work/root"
  chmod 1777 "$work/root/tmp"
  cp "$2" "$work/root$3"
  "$BIN/mkimage" -root "$work/root" -tag "$1" -entrypoint "$3" -user "$4" -o "$5"
  rm -rf "$work"
}
