#!/bin/bash
# Takes stock of what Gantry's tests have of this machine: one line per thing, sorted.
#
#   stock.sh take              prints it
#   stock.sh left FILE         what is there and was not when FILE was taken; 1 if there is any
#
# Only what is ours counts, so that Docker, other engines and other people's tests do not matter:
# processes that inherited GANTRY_TEST_RUN or live in a cgroup of ours, files below TMPDIR when
# that is the run's own, and things of the names that our tests and our demo give.
set -uo pipefail
# Names of bridges and links, cgroups, tables that only tests and the demo make.
links='^(gtest|gdemo)[0-9]'
cgroups='gantry-(testkit|test|demo|runtime-test)'
tables='^gantry-(gtest|gdemo)[0-9]'

processes() {
  local process pid command
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    if { [ -n "${GANTRY_TEST_RUN:-}" ] && grep -qsz "^GANTRY_TEST_RUN=$GANTRY_TEST_RUN\$" "$process/environ"; } ||
      grep -qsE "[:/]$cgroups-[0-9]" "$process/cgroup"; then
      command=$(tr '\0' ' ' 2>/dev/null <"$process/cmdline") || continue
      # Without a command it is on its way out.
      [ -n "$command" ] && is_kin "$pid" || continue
      printf 'process\t%s\t%s\n' "$pid" "${command:0:150}"
    fi
  done
}

# Not the test command itself, nor what it is waiting for.
is_kin() {
  local at=$$
  while [ "$at" -gt 1 ]; do
    [ "$at" = "$1" ] && return 1
    at=$(awk '/^PPid:/ {print $2}' "/proc/$at/status" 2>/dev/null || echo 0)
  done
  # A child of this script.
  [ "$(awk '/^PPid:/ {print $2}' "/proc/$1/status" 2>/dev/null)" != $$ ]
}

mounts() {
  awk -v own="${GANTRY_TEST_TMP:-/nowhere}/" \
    'index($5, own) == 1 || $5 ~ /demo-state/ || $5 ~ /^\/run\/netns\/(gantry|gtest)/ {print "mount\t" $5}' /proc/self/mountinfo
}

namespaces() {
  ls /run/netns 2>/dev/null | grep -E '^(gantry|gtest)' | sed 's/^/namespace\t/'
}

network_links() {
  local link master
  for link in /sys/class/net/*; do
    master=$(basename "$(readlink "$link/master" 2>/dev/null)")
    link=$(basename "$link")
    if [[ $link =~ $links ]]; then printf 'link\t%s\n' "$link"; fi
    # The host's end of a container's link: ours on our bridges, and on none.
    if [[ $link == gveth* ]] && { [ -z "$master" ] || [[ $master =~ $links ]]; }; then
      printf 'link\t%s\n' "$link"
    fi
  done
}

control_groups() {
  find /sys/fs/cgroup -mindepth 1 -type d -regextype posix-extended -regex ".*/$cgroups-[^/]*(/.*)?" 2>/dev/null |
    sed 's/^/cgroup\t/'
}

firewall() {
  local family table
  command -v nft >/dev/null || return 0
  nft list tables 2>/dev/null | while read -r _ family table; do
    [[ $table =~ $tables ]] || continue
    printf 'table\t%s\n' "$table"
    # Elements by name: a table may stay and its content grow.
    nft list table "$family" "$table" 2>/dev/null | grep -oE '[0-9a-z.]+ \. [^,}]+|[0-9]+ : [^,}]+' |
      sed "s/^/element\t$table\t/"
  done
}

loops() {
  losetup --list --noheadings --output BACK-FILE 2>/dev/null |
    grep -E "^${GANTRY_TEST_TMP:-/nowhere}/|demo-state|/gantry-" | sed 's/^/loop\t/'
}

files() {
  [ -z "${GANTRY_TEST_TMP:-}" ] || find "$GANTRY_TEST_TMP" -mindepth 1 -maxdepth 1 -printf 'file\t%p\n' 2>/dev/null
  find /dev/shm -maxdepth 1 -name 'gantry*' -printf 'file\t%p\n' 2>/dev/null
}

take() {
  { processes; mounts; namespaces; network_links; control_groups; firewall; loops; files; } | LC_ALL=C sort -u
}

case ${1:-} in
  take) take ;;
  left)
    # What is dying gets some seconds to be gone.
    for _ in $(seq 20); do
      left=$(LC_ALL=C comm -13 "$2" <(take))
      [ -n "$left" ] || { echo "nothing is left"; exit 0; }
      sleep 0.5
    done
    echo "left on the machine:"
    printf '%s\n' "$left" | sed 's/^/  /'
    exit 1
    ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
