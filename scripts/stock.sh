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
# The run's mark is taken out of the environment, so that this script's processes do not have it.
if [ -n "${GANTRY_TEST_RUN:-}" ]; then
  exec env -u GANTRY_TEST_RUN STOCK_OF_RUN="$GANTRY_TEST_RUN" "$0" "$@"
fi
# Names of bridges and links, cgroups, tables that only tests and the demo make.
links='^(gtest|gdemo)[0-9]'
cgroups='gantry-(testkit|test|demo|runtime-test)'
tables='^gantry-(gtest|gdemo)[0-9]'

# Whether something named by a test engine's slot (see testkit's slot.rs) or by the pid of a test is
# another run's. The slot's lock file says whose engine had it last.
is_foreign() {
  local owner
  [ -n "${GANTRY_TEST_TMP:-}" ] || return 1
  if [[ $1 =~ gtest([0-9]+) || $1 =~ gantry-testkit-([0-9]+) ]]; then
    owner=$(cat "/tmp/gantry-testkit/${BASH_REMATCH[1]}" 2>/dev/null)
    [ -n "$owner" ] && [[ $owner != "$GANTRY_TEST_TMP"/* ]]
  elif [[ $1 =~ gantry-(test|runtime-test)-([a-z]+-)?([0-9]+) ]]; then
    [ -e "/proc/${BASH_REMATCH[3]}" ] && ! is_marked "${BASH_REMATCH[3]}"
  else
    return 1
  fi
}

is_marked() {
  [ -n "${STOCK_OF_RUN:-}" ] && grep -qsz "^GANTRY_TEST_RUN=$STOCK_OF_RUN\$" "/proc/$1/environ"
}

processes() {
  local process pid command group
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    group=$(grep -sm1 -oE "/$cgroups-[^/]*" "$process/cgroup")
    if is_marked "$pid" || { [ -n "$group" ] && ! is_foreign "$group"; }; then
      command=$(tr '\0' ' ' 2>/dev/null <"$process/cmdline") || continue
      # Without a command it is on its way out.
      [ -n "$command" ] && ! is_waiting "$pid" || continue
      printf 'process\t%s\t%s\n' "$pid" "${command:0:150}"
    fi
  done
}

# Whether it waits for this script: the test command itself and what started it.
is_waiting() {
  local at=$$
  while [ "$at" -gt 1 ]; do
    [ "$at" = "$1" ] && return 0
    at=$(awk '/^PPid:/ {print $2}' "/proc/$at/status" 2>/dev/null || echo 0)
  done
  return 1
}

mounts() {
  awk -v own="${GANTRY_TEST_TMP:-/nowhere}/" \
    'index($5, own) == 1 || $5 ~ /demo-state/ || $5 ~ /^\/run\/netns\/(gantry-test|gtest)/ {print "mount\t" $5}' /proc/self/mountinfo
}

namespaces() {
  ls /run/netns 2>/dev/null | grep -E '^(gantry-test|gtest)' | sed 's/^/namespace\t/'
}

network_links() {
  local link master
  for link in /sys/class/net/*; do
    master=$(basename "$(readlink "$link/master" 2>/dev/null)")
    link=$(basename "$link")
    if is_foreign "$link $master"; then continue; fi
    if [[ $link =~ $links ]]; then printf 'link\t%s\n' "$link"; fi
    # The host's end of a container's link: ours on our bridges, and on none.
    if [[ $link == gveth* ]] && { [ -z "$master" ] || [[ $master =~ $links ]]; }; then
      printf 'link\t%s\n' "$link"
    fi
  done
}

control_groups() {
  find /sys/fs/cgroup -mindepth 1 -type d -regextype posix-extended -regex ".*/$cgroups-[^/]*(/.*)?" 2>/dev/null |
    while read -r group; do is_foreign "$group" || printf 'cgroup\t%s\n' "$group"; done
}

firewall() {
  local family table
  command -v nft >/dev/null || return 0
  nft list tables 2>/dev/null | while read -r _ family table; do
    [[ $table =~ $tables ]] && ! is_foreign "$table" || continue
    printf 'table\t%s\n' "$table"
    # Elements by name: a table may stay and its content grow.
    nft list table "$family" "$table" 2>/dev/null | sed -n '/elements = {/,/}/p' |
      sed 's/.*{//; s/}.*//' | tr ',' '\n' | sed 's/^[[:space:]]*//; /^$/d' |
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
    # What is dying gets some seconds to be gone; what comes and goes meanwhile is not left.
    left=$(LC_ALL=C comm -13 "$2" <(take))
    for _ in $(seq 10); do
      left=$(LC_ALL=C comm -12 <(printf '%s\n' "$left") <(take))
      [ -n "$left" ] || { echo "nothing is left"; exit 0; }
      sleep 0.5
    done
    echo "left on the machine:"
    printf '%s\n' "$left" | sed 's/^/  /'
    exit 1
    ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
