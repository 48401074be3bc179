#!/bin/bash
# Sees to it that what a target needs is on this machine: installs it by apt when that is possible,
# and otherwise says what to install and fails.
#
#   scripts/prerequisites.sh build|demo|test
set -euo pipefail

# Prints the missing ones of "COMMAND=PACKAGE ...".
missing() {
  local pair
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || [ -x "/usr/sbin/${pair%%=*}" ] || echo "${pair#*=}"
  done | sort -u
}

is_static_busybox() {
  local path
  path=$(command -v busybox) && ! ldd "$path" >/dev/null 2>&1
}

build=(cc=gcc make=make)
demo=("${build[@]}" curl=curl openssl=openssl tar=tar ip=iproute2 nft=nftables)
test=("${demo[@]}" python3=python3 unshare=util-linux)

case ${1:-} in
  build) packages=$(missing "${build[@]}") ;;
  demo) packages=$(missing "${demo[@]}"); is_static_busybox || packages+=$'\nbusybox-static' ;;
  test) packages=$(missing "${test[@]}"); is_static_busybox || packages+=$'\nbusybox-static' ;;
  *) echo "usage: $0 build|demo|test" >&2; exit 2 ;;
esac

if ! command -v cargo >/dev/null; then
  echo "cargo is missing: install the Rust toolchain (1.95 or newer) from https://rustup.rs" >&2
  exit 1
fi
packages=$(echo $packages)
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "missing: $packages; install them as root: apt-get install $packages" >&2
  exit 1
fi
if ! command -v apt-get >/dev/null; then
  echo "missing: $packages; there is no apt here: install them with this machine's own means" >&2
  exit 1
fi
echo "installing by apt: $packages"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { apt-get install -y --no-install-recommends $packages >"$log" 2>&1; }
install || { apt-get update >"$log" 2>&1 && install; } || { tail -20 "$log" >&2; exit 1; }
