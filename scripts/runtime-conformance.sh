#!/usr/bin/env bash
# The validation suite of opencontainers/runtime-tools against an OCI runtime. Fetches nothing.
#
#   scripts/runtime-conformance.sh CHECKOUT [RUNTIME] [TEST...]
#
# CHECKOUT: a checkout of runtime-tools; its tests are built there (go, vendored) unless they are.
# RUNTIME: program to test, default target/debug/gantry-runtime. TEST: names, default all.
# Each test runs in a mount namespace of its own: a container without one (linux_ns_itype asks for
# it) mounts where the runtime is, and on the machine itself such mounts would stay.
# Prints a line for each test and the sums; the whole output goes to RESULTS (default: a new
# directory below /tmp). Fails when a test is not ok.
set -euo pipefail

checkout=$(realpath "${1:?checkout of runtime-tools}")
runtime=$(realpath "$(command -v "${2:-target/debug/gantry-runtime}")")
shift $(($# < 2 ? $# : 2))
results=${RESULTS:-$(mktemp -d /tmp/runtime-conformance.XXXXXX)}
limit=${TIMEOUT:-120}
mkdir -p "$results"
cd "$checkout"

build() {
  [ -x runtimetest ] || go build -mod=vendor -tags 'netgo osusergo' -o runtimetest ./cmd/runtimetest
  for directory in validation/*/; do
    name=$(basename "$directory")
    [ "$name" = util ] || [ -x "$directory$name.t" ] ||
      go build -mod=vendor -o "$directory$name.t" "./validation/$name"
  done
}

# One test; the runtime's state goes where both the test and this script find it.
run_test() {
  local name=$1 output="$results/$1.tap"
  RUNTIME=$runtime timeout "$limit" unshare --mount --propagation private \
    "validation/$name/$name.t" >"$output" 2>"$results/$name.err" </dev/null || echo "# ended with $?" >>"$output"
}

export CGO_ENABLED=0
build
tests=("$@")
if [ ${#tests[@]} = 0 ]; then
  for directory in validation/*/; do tests+=("$(basename "$directory")"); done
fi
total_ok=0 total_not=0
for name in "${tests[@]}"; do
  [ "$name" != util ] || continue
  run_test "$name"
  ok=$(grep -c '^ *ok ' "$results/$name.tap" || true)
  not=$(grep '^ *not ok ' "$results/$name.tap" | grep -vc '# \(SKIP\|TODO\)' || true)
  ended=$(grep '^# ended with' "$results/$name.tap" || true)
  printf '%-36s %5d ok %4d not %s\n' "$name" "$ok" "$not" "$ended"
  total_ok=$((total_ok + ok)) total_not=$((total_not + not))
done
echo "together: $total_ok ok, $total_not not ok; output in $results"
[ "$total_not" = 0 ]
