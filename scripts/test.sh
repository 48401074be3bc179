#!/bin/bash
# The whole test: format, lints, layers, licences, build, tests, documentation tests, demo.
#
#   scripts/test.sh          everything; needs root (namespaces, mounts, cgroups, nftables)
#   scripts/test.sh check    what needs no root
#
# Runs every stage, names those that failed at the end, and exits 0 only if none did.
set -uo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
failed=()
stages=()

stage() {
  local name=$1 began=$SECONDS outcome=ok
  shift
  printf '\n== %s\n' "$name"
  "$@" || { outcome=FAILED; failed+=("$name"); }
  stages+=("$(printf '%-10s %4d s  %s' "$name" $((SECONDS - began)) "$outcome")")
}

skip() {
  printf '\n== %s: skipped: %s\n' "$1" "$2"
  stages+=("$(printf '%-10s         skipped: %s' "$1" "$2")")
}

finish() {
  printf '\n== summary\n'
  printf '  %s\n' "${stages[@]}"
  if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]}"
    exit 1
  fi
  echo "all passed in $SECONDS s"
}

licences() {
  if ! cargo deny --version >/dev/null 2>&1; then
    echo "installing cargo-deny (some minutes, once)"
    cargo install --quiet --locked cargo-deny || return 1
  fi
  cargo deny --log-level error check bans licenses sources
}

# A Python with docker-py; its path is printed, or nothing where there cannot be one.
docker_py() {
  local venv=target/docker-py
  if [ -n "${GANTRY_DOCKER_PY:-}" ]; then echo "$GANTRY_DOCKER_PY"; return; fi
  if ! "$venv/bin/python" -c 'import docker' 2>/dev/null; then
    { mkdir -p target && python3 -m venv "$venv" && "$venv/bin/pip" install --quiet docker; } \
      >/dev/null 2>&1 || return 0
  fi
  echo "$PWD/$venv/bin/python"
}

tests() {
  # Tests of the engine start engines, and those start programs: they must be there first.
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --no-fail-fast --status-level slow --final-status-level fail
  else
    cargo test --workspace --no-fail-fast --lib --bins --tests --examples
  fi
}

stage format cargo fmt --all --check
stage lints nice cargo clippy --quiet --workspace --all-targets --locked -- -D warnings
stage layers cargo xtask layers
stage licences licences
if [ "${1:-}" = check ]; then finish; exit; fi


# Everything that tests leave on the machine is a failure: see scripts/stock.sh. Their temporary
# files get a directory of their own, and their processes are known by their environment.
take_stock() {
  GANTRY_TEST_RUN=$$-$(date +%s)
  GANTRY_TEST_TMP=$(mktemp -d /tmp/gtest-XXXXXX) || return 1
  export GANTRY_TEST_RUN GANTRY_TEST_TMP TMPDIR=$GANTRY_TEST_TMP
  stock=$(mktemp -p /tmp gtest-stock-XXXXXX) && scripts/stock.sh take >"$stock"
}

compare_stock() {
  local outcome=0
  scripts/stock.sh left "$stock" || outcome=1
  rm -f "$stock"
  # Only an empty directory: what is in it was told of, and may be mounted.
  rmdir "$GANTRY_TEST_TMP" 2>/dev/null
  return $outcome
}

# Without TMPDIR, whose directory is gone by then. 77: it says why it cannot be done here.
cgroup2() {
  local outcome=0
  nice env -u TMPDIR scripts/cgroup2.sh || outcome=$?
  [ $outcome = 77 ] || return $outcome
}

if [ "$(id -u)" != 0 ]; then
  echo "the tests need root: they make namespaces, mounts, cgroups and nftables tables" >&2
  failed+=("root")
  finish
fi
stage needs scripts/prerequisites.sh test
GANTRY_DOCKER_PY=$(docker_py)
if [ -n "$GANTRY_DOCKER_PY" ]; then
  export GANTRY_DOCKER_PY
else
  unset GANTRY_DOCKER_PY
  skip docker-py "python3-venv or PyPI is not to be had: its tests skip themselves"
fi
command -v docker >/dev/null || skip docker "no docker CLI here: the tests with it skip themselves"
stage build nice cargo build --quiet --workspace --bins
stage stock take_stock
stage tests nice env RUST_BACKTRACE=0 bash -c "$(declare -f tests); tests"
stage doctests nice cargo test --quiet --workspace --doc
stage demo env DEMO_FAST=1 DEMO_PROFILE="${DEMO_PROFILE:-dev}" scripts/demo.sh
stage leaks compare_stock
if command -v qemu-system-x86_64 >/dev/null; then
  stage cgroup2 cgroup2
else
  skip cgroup2 "qemu-system-x86_64 is not installed (Debian: qemu-system-x86)"
fi
finish
