#!/usr/bin/env bash
# Runs make targets one after the other, stops at the first that fails, and says how long each took.
# usage: hack/test.sh TARGET...
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

summary=
status=0
for target in "$@"; do
  printf '\n=== make %s\n' "$target"
  begin=$SECONDS
  make "$target"
  status=$?
  result=ok
  [ $status = 0 ] || result=FAILED
  summary+=$(printf '%-10s %-7s %4d s' "$target" "$result" $((SECONDS - begin)))$'\n'
  [ $status = 0 ] || break
done
printf '\n=== stages\n%s%-10s %-7s %4d s\n' "$summary" all "" $SECONDS
exit $status
