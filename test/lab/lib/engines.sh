# Redis and Valkey, unmodified, out of the Debian suites that have them: unpacked in the cache, nothing is installed.
#
#   $CACHE/engines/NAME/root         the packages' files with every library they need
#   $CACHE/engines/NAME/run-server   starts that server on this machine with its own loader and libraries
#   $CACHE/engines/NAME/run-cli      the same for its command line client
#   $CACHE/engines/NAME/VERSION      what the server says of itself
# shellcheck shell=bash

# name         server         suite     packages                                                  further suite
ENGINES="
redis-7.0      redis-server   bookworm  redis-server,redis-tools                                  -
redis-8.0      redis-server   trixie    redis-server,redis-tools                                  -
redis-8.6      redis-server   sid       redis-server/experimental,redis-tools/experimental        experimental
valkey-8.1     valkey-server  trixie    valkey-server,valkey-tools                                -
valkey-9.1     valkey-server  forky     valkey-server,valkey-tools                                -
"
ENGINE_RECIPE=1 # raise it when the way an engine is unpacked changes
ENGINE_RETRY_MINUTES=60

# engine_table: the lines of the table, nothing else.
engine_table() { grep -v '^$' <<<"$ENGINES"; }

engine_image() { echo "${1%-*}:${1##*-}"; } # redis-8.0 -> redis:8.0

engine_ready() { [ "$(cat "$CACHE/engines/$1/complete" 2>/dev/null)" = "$ENGINE_RECIPE" ]; }

# engines_ready: names of the engines in the cache.
engines_ready() {
  local name _
  engine_table | while read -r name _; do
    if engine_ready "$name"; then echo "$name"; fi
  done
}

# engines_complete: all of the table are there.
engines_complete() { [ "$(engines_ready | wc -l)" = "$(engine_table | wc -l)" ]; }

# engine_failed_lately NAME: a suite that was out of reach is not asked again at each lab-up.
engine_failed_lately() {
  [ "${ENGINES_RETRY:-0}" != 1 ] &&
    [ -n "$(find "$CACHE/engines/$1.failed" -mmin "-$ENGINE_RETRY_MINUTES" 2>/dev/null)" ]
}

# build_engines: unpacks those that are missing. One that cannot be had is a warning, not an error.
build_engines() {
  local name server suite packages extra
  mkdir -p "$CACHE/engines" "$CACHE/logs"
  exec 8>"$CACHE/engines.lock"
  flock 8
  while read -r name server suite packages extra; do
    if engine_ready "$name" || engine_failed_lately "$name"; then continue; fi
    say "unpacking $name from Debian's $suite"
    build_engine "$name" "$server" "$suite" "$packages" "$extra" ||
      warn "no $(engine_image "$name"): Debian's suite '$suite' gave no $server (log: $CACHE/logs/engine-$name.log);" \
        "the lab works without it; try again with: $LAB_DIR/lab.sh engines"
  done < <(engine_table)
  flock -u 8
}

# debian_mirror: the one that apt is configured for.
debian_mirror() {
  if [ -n "${LAB_DEBIAN_MIRROR:-}" ]; then
    echo "$LAB_DEBIAN_MIRROR"
    return
  fi
  # shellcheck disable=SC2016 # apt's variables
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sort -u | head -1
}

build_engine() {
  local name=$1 dir=$CACHE/engines/$1 log=$CACHE/logs/engine-$1.log
  rm -rf "$dir" "$dir.new"
  mkdir -p "$dir.new"
  if unpack_engine "$dir.new/root" "$3" "$4" "$5" >"$log" 2>&1 && finish_engine "$dir.new" "$2" >>"$log" 2>&1; then
    mv "$dir.new" "$dir"
    rm -f "$dir.failed"
    say "$(cat "$dir/VERSION")"
    return 0
  fi
  rm -rf "$dir.new"
  touch "$dir.failed"
  return 1
}

# unpack_engine ROOT SUITE PACKAGES EXTRA-SUITE
unpack_engine() {
  local root=$1 suite=$2 packages=$3 extra=$4 mirror sources
  mirror=$(debian_mirror) && [ -n "$mirror" ] || return 1
  sources=("deb $mirror $suite main")
  [ "$extra" = - ] || sources+=("deb $mirror $extra main")
  # A mirror may be a snapshot of the past: its signatures are checked, its age is not.
  nice mmdebstrap --quiet --variant=extract --include="$packages" --skip=check/empty \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$root" "${sources[@]}" || return 1
  rm -rf "$root"/usr/share/{doc,man,locale,lintian} "$root"/var/{cache,lib}/apt "$root"/usr/lib/systemd
  rm -rf --one-file-system "${root:?}/dev"
  mkdir "$root/dev"
}

# finish_engine DIR SERVER: makes the starters and asks the server for its version.
finish_engine() {
  local dir=$1 server=$2
  write_starter "$dir/run-server" "$server"
  write_starter "$dir/run-cli" "${server%-server}-cli"
  "$dir/run-server" --version >"$dir/VERSION" || return 1
  echo "$ENGINE_RECIPE" >"$dir/complete"
}

# write_starter FILE PROGRAM: the packages' program needs its own C library, not this machine's.
write_starter() {
  cat >"$1" <<'SH'
#!/bin/sh
# Starts an engine of another Debian suite on this machine, with the loader and the libraries it came with.
root=$(dirname "$(readlink -f "$0")")/root
for loader in "$root"/lib64/ld-linux-*.so.2 "$root"/usr/lib64/ld-linux-*.so.2 "$root"/lib/ld-linux-*.so.1 \
  "$root"/usr/lib/*-linux-gnu/ld-linux-*.so.*; do
  [ -e "$loader" ] && break
done
libs=
for dir in "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu; do
  [ -d "$dir" ] && libs=$libs${libs:+:}$dir
done
SH
  printf 'exec "$loader" --argv0 "$root/usr/bin/%s" --library-path "$libs" "$root/usr/bin/%s" "$@"\n' "$2" "$2" >>"$1"
  chmod 755 "$1"
}
