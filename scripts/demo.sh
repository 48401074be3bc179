#!/bin/bash
# The story Gantry exists for, on this machine: one image, many containers, one registry.
#
#   scripts/demo.sh          tell it (root)
#   scripts/demo.sh clean    take away everything it left
#
#   KEEP=1          leave engine, hub and containers running at the end
#   DEMO_FAST=1     without the Debian image and without fetching an SSH server
#   DEMO_PROFILE    release (default) or dev
#   DEMO_NO_BUILD=1 with the programs that are there
#
# Everything lives below ./demo-state; bridge, nftables table, cgroup and ports are the demo's own.
# No other engine on the machine is touched. Exits 0 only if every step held.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
source scripts/demo/state.sh
source scripts/demo/show.sh
source scripts/demo/services.sh
source scripts/demo/steps.sh

if [ "$(id -u)" != 0 ]; then
  echo "make demo needs root: it makes namespaces, mounts and a bridge. Try: sudo make demo" >&2
  exit 1
fi
if [ "${1:-}" = clean ]; then
  stop_everything
  rm -rf --one-file-system "$STATE"
  echo "nothing of the demo is left"
  exit 0
fi

mkdir -p "$STATE"
exec 9>"$STATE/lock"
flock -n 9 || { echo "another demo runs in $STATE" >&2; exit 1; }
stop_everything
rm -rf --one-file-system "$RUN" "$DATA"
mkdir -p -m 0700 "$RUN" "$DATA" "$CACHE"

trap 'failed $LINENO' ERR
trap finish EXIT
trap 'exit 130' INT TERM HUP

step 1 "Build, certificates, engine and hub"
build_programs
make_certificates
start_engine
start_hub

step 2 "An image from this distribution's own software"
make_busybox_image
make_debian_image

step 3 "An account on the hub, push, search, pull"
use_the_hub

step 4 "Three containers from one image"
three_containers
one_debian_container

step 5 "The same engine from elsewhere"
over_tcp
over_ssh

step 6 "The engine dies; the containers do not notice"
kill_the_engine

ALL_HELD=1
