# Where the demo keeps things, and the names it uses on the host: they follow from the directory,
# so that two checkouts do not meet.
STATE=$PWD/demo-state
RUN=$STATE/run     # sockets, pids, logs, certificates: made anew every time
DATA=$STATE/data   # data roots of engine and hub: made anew every time
CACHE=$STATE/cache # what took long to fetch
LOG=$RUN/log

NUMBER=$(($(printf '%s' "$PWD" | cksum | cut -d ' ' -f 1) % 1000))
BRIDGE=gdemo$NUMBER
CGROUP=/gantry-demo-$NUMBER
SOCKET=$RUN/gantry.sock
PROFILE=${DEMO_PROFILE:-release}
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
BIN=$TARGET/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")

export PATH=$BIN:$PATH:/usr/sbin:/sbin
# Nothing of the caller's own Docker or Gantry setting may leak in.
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_TLS DOCKER_CERT_PATH GANTRY_HOST GANTRY_CONFIG
export DOCKER_CONFIG=$RUN/client
export DOCKER_HOST=unix://$SOCKET

if [ ${#SOCKET} -gt 100 ]; then
  echo "$SOCKET is too long for the name of a socket: check out to a shorter path" >&2
  exit 1
fi

# A port of 127.0.0.1 where nobody answers.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# A /24 of 10/8 which no route of this host touches.
free_subnet() {
  local third
  for third in $(shuf -i 0-255); do
    if ! ip -4 route show table all | grep -q "\b10\.213\.$third\."; then
      echo "10.213.$third"
      return
    fi
  done
  echo "no free subnet in 10.213.0.0/16" >&2
  return 1
}

# Is the process of this pid file still the program that wrote it?
alive() {
  local pid
  pid=$(cat "$RUN/$1.pid" 2>/dev/null) || return 1
  # The process may end between the question and the answer.
  [ -n "$pid" ] && [[ $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) == *"$STATE"* ]]
}

stop_process() {
  local name=$1 pid
  if ! alive "$name"; then rm -f "$RUN/$name.pid"; return 0; fi
  pid=$(cat "$RUN/$name.pid")
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$RUN/$name.pid"
}

# Ends what the demo (this one or an earlier one) runs and takes its names off the host. Quiet, and
# good at any point: nothing here may fail because something is not there.
stop_everything() {
  local containers
  if [ -d "$RUN" ]; then
    if [ -d "$DATA/engine" ] && [ -x "$BIN/gantryd" ] && ! alive gantryd; then
      # Its containers outlived it: only an engine can put them away properly.
      start_engine_process >/dev/null 2>&1 || true
    fi
    if alive gantryd; then
      containers=$(gantry ps -aq 2>/dev/null) || containers=
      [ -z "$containers" ] || gantry rm -f $containers >/dev/null 2>&1 || true
    fi
    stop_process gantryd
    stop_process hub
    stop_process sshd
  fi
  # Shims hold the path of the state directory in their arguments; there are none after `rm -f`.
  local pid
  for pid in $(grep -alF "$STATE/" /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3); do
    [[ $(readlink "/proc/$pid/exe" 2>/dev/null) != */gantry-shim* ]] || kill -KILL "$pid" 2>/dev/null || true
  done
  local mount
  for mount in $(awk -v below="$STATE/" 'index($5, below) == 1 {print $5}' /proc/self/mountinfo | sort -r); do
    umount -l "$mount" 2>/dev/null || true
  done
  ip link delete "$BRIDGE" 2>/dev/null || true
  nft delete table ip "gantry-$BRIDGE" 2>/dev/null || true
  local dir
  for dir in /sys/fs/cgroup"$CGROUP" /sys/fs/cgroup/*"$CGROUP"; do
    [ ! -d "$dir" ] || find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  if [ -f "$STATE/ip_forward" ]; then
    cat "$STATE/ip_forward" >/proc/sys/net/ipv4/ip_forward 2>/dev/null || true
    rm -f "$STATE/ip_forward"
  fi
  if [ -f "$STATE/made-run-sshd" ]; then
    rmdir /run/sshd 2>/dev/null || true
    rm -f "$STATE/made-run-sshd"
  fi
}
