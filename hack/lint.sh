#!/usr/bin/env bash
# Every linter there is for what we write: Go, charts, shell.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lint_go() { "$(hack/tools.sh golangci-lint)" run ./...; }

lint_charts() {
  local helm
  helm=$(hack/tools.sh helm)
  "$helm" lint --quiet --strict charts/redis-operator charts/redis-cluster
}

# Syntax always; shellcheck where it is installed.
lint_shell() {
  local scripts script
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
  for script in "${scripts[@]}"; do bash -n "$script"; done
  if command -v shellcheck >/dev/null; then
    shellcheck --severity=warning --exclude=SC1090,SC1091,SC2034,SC2115,SC2154 "${scripts[@]}"
  fi
}

# lint_lab: the lab's own modules are outside of the main one.
lint_lab() {
  local module
  for module in mkimage nfdelay; do
    (cd "test/lab/src/$module" && go vet ./...)
  done
}

for what in go charts shell lab; do
  echo "lint: $what"
  "lint_$what"
done
