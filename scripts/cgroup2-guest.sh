#!/bin/busybox sh
# The first and only script of the machine that scripts/cgroup2.sh boots. Prints PASS or FAIL per
# check, DONE at the end, and switches the machine off.
if [ ! -e /switched ]; then
    # The first root of all cannot be pivoted away from, which every container start does.
    /bin/busybox mkdir /new
    /bin/busybox mount -t tmpfs tmpfs /new
    for entry in /*; do
        [ "$entry" = /new ] || /bin/busybox cp -a "$entry" /new/
    done
    : > /new/switched
    exec /bin/busybox switch_root /new /init
fi
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
while read -r module; do
    insmod "/modules/$module" || echo "NOTE cannot load $module"
done < /modules/order
echo "controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
echo 1 > /proc/sys/net/ipv4/ip_forward

pass() { echo "PASS $*"; }
fail() { echo "FAIL $*"; }
# check NAME EXPECTED ACTUAL
check() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1: expected '$2', got '$3'"; fi; }
has() { case "$3" in *"$2"*) pass "$1" ;; *) fail "$1: no '$2' in '$3'" ;; esac; }

make_root() {
    mkdir -p "$1/bin" "$1/proc" "$1/sys" "$1/dev" "$1/tmp" "$1/etc"
    cp /bin/busybox "$1/bin/"
    for applet in sh ps sleep cat echo dd mknod ls grep head tail true yes kill; do
        ln -s busybox "$1/bin/$applet"
    done
}

# bundle NAME SCRIPT RESOURCES: a bundle with its own cgroup below /t
bundle() {
    mkdir -p "/tmp/$1"
    make_root "/tmp/$1/rootfs"
    cat > "/tmp/$1/config.json" <<END
{"ociVersion":"1.0.2","root":{"path":"rootfs"},
 "process":{"args":["sh","-c","$2"],"cwd":"/","env":["PATH=/bin"],
  "capabilities":{"bounding":["CAP_MKNOD","CAP_KILL"],"effective":["CAP_MKNOD","CAP_KILL"],"permitted":["CAP_MKNOD","CAP_KILL"]}},
 "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
  {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["mode=755"]},
  {"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro"]},
  {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}],
 "linux":{"cgroupsPath":"/t/$1","resources":$3,
  "namespaces":[{"type":"mount"},{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"network"},{"type":"cgroup"}]}}
END
}
rt() { gantry-runtime --root /run/rt "$@"; }
run() { rt run --bundle "/tmp/$1" "$1" 2>&1 </dev/null; }
until_true() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -gt 100 ] && return 1; usleep 100000; done; }

runtime_checks() {
    bundle hello 'echo hello; exit 3' '{}'
    out=$(run hello); check "run: exit code" 3 $?
    check "run: output" hello "$out"

    bundle limits 'cd /sys/fs/cgroup; cat memory.max memory.swap.max memory.low cpu.max cpu.weight pids.max; cat /proc/self/cgroup' \
        '{"memory":{"limit":33554432,"swap":67108864,"reservation":16777216},"cpu":{"quota":50000,"period":100000,"shares":1024},"pids":{"limit":17}}'
    out=$(run limits | tr '\n' ' ')
    has "limits: memory.max" "33554432 " "$out"
    has "limits: cpu.max" "50000 100000" "$out"
    has "limits: pids.max" " 17 " "$out"
    has "limits: own cgroup namespace" "0::/" "$out"
    echo "NOTE limits: $out"

    bundle pids 'for i in 1 2 3 4 5 6 7 8; do sleep 20 & done; echo all' '{"pids":{"limit":4}}'
    out=$(run pids); has "pids.max is enforced" "can't fork" "$out"

    bundle oom 'exec tail -c 64000000 /dev/zero' '{"memory":{"limit":16777216,"swap":16777216}}'
    out=$(run oom); code=$?
    case "$out" in *survived* | *gantry-runtime:*) fail "oom: a process outgrew memory.max: $out" ;; *) check "oom: killed" 137 $code ;; esac

    bundle devices 'mknod /tmp/full c 1 7; mknod /tmp/mem c 1 1; mknod /tmp/zero c 1 5; echo a > /tmp/full; echo full $?; cat /tmp/mem | head -c1; head -c1 /tmp/zero >/dev/null; echo zero $?' \
        '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","access":"m"},{"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"}]}'
    out=$(run devices 2>&1)
    has "devices: a rule allows" "zero 0" "$out"
    has "devices: the rest is denied" "Operation not permitted" "$out"

    bundle long 'while true; do echo x; sleep 1; done >/dev/null' '{"memory":{"limit":33554432}}'
    rt create --bundle /tmp/long long </dev/null >/dev/null 2>/tmp/long.err && rt start long
    check "create and start" 0 $?
    check "state" running "$(rt state long | grep -o '"status": *"[a-z]*"' | grep -o '[a-z]*"$' | tr -d '"')"
    check "exec" in "$(rt exec long echo in 2>&1)"
    has "exec: same cgroup" "0::/" "$(rt exec long cat /proc/self/cgroup 2>&1)"
    rt pause long; check "pause: frozen" "frozen 1" "$(grep frozen /sys/fs/cgroup/t/long/cgroup.events)"
    rt resume long; check "resume: thawed" "frozen 0" "$(grep frozen /sys/fs/cgroup/t/long/cgroup.events)"
    rt update --memory 50331648 --pids-limit 33 long
    check "update: memory.max" 50331648 "$(cat /sys/fs/cgroup/t/long/memory.max)"
    check "update: pids.max" 33 "$(cat /sys/fs/cgroup/t/long/pids.max)"
    has "ps" "sh" "$(rt ps long 2>&1)"
    rt kill long KILL; until_true 'rt state long | grep -q stopped'; check "kill" 0 $?
    rt delete long; check "delete" 0 $?
    [ -d /sys/fs/cgroup/t/long ] && fail "delete: the cgroup stays" || pass "delete: the cgroup is gone"
}

engine_checks() {
    mkdir -p /var/g /run/g
    echo '{}' > /tmp/conf.json
    gantryd -H unix:///run/g.sock --data-root /var/g --exec-root /run/g --pidfile /run/g.pid \
        --config-file /tmp/conf.json > /tmp/engine.log 2>&1 &
    engine=$!
    export DOCKER_HOST=unix:///run/g.sock
    if ! until_true 'gantry version >/dev/null 2>&1'; then
        fail "the engine starts: $(tail -5 /tmp/engine.log)"
        return
    fi
    pass "the engine starts"
    make_root /tmp/image
    tar -C /tmp/image -c . | gantry import - box >/dev/null || fail "import"
    out=$(gantry run --rm box sh -c 'echo hello; exit 4' 2>&1); code=$?
    check "engine: run" "hello 4" "$out $code"
    out=$(gantry run --rm --network none -m 32m --cpus 0.5 --pids-limit 20 box sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max pids.max' 2>&1 | tr '\n' ' ')
    check "engine: limits" "33554432 50000 100000 20 " "$out"
    has "engine: info" "Cgroup Version: 2" "$(gantry info 2>&1)"
    gantry run -d --name looper -m 32m box sh -c 'while true; do sleep 1; done' >/dev/null 2>&1
    check "engine: exec" in "$(gantry exec looper echo in 2>&1)"
    has "engine: stats" "32MiB" "$(gantry stats --no-stream looper 2>&1)"
    gantry pause looper >/dev/null && check "engine: pause" "paused" "$(gantry inspect -f '{{.State.Status}}' looper)"
    gantry unpause looper >/dev/null && check "engine: unpause" "running" "$(gantry inspect -f '{{.State.Status}}' looper)"
    gantry update -m 48m --memory-swap 48m looper >/dev/null 2>&1
    check "engine: update" 50331648 "$(gantry exec looper cat /sys/fs/cgroup/memory.max 2>&1)"
    gantry run --name oom -m 16m --memory-swap 16m box sh -c 'exec tail -c 64000000 /dev/zero' >/dev/null 2>&1
    check "engine: OOMKilled" true "$(gantry inspect -f '{{.State.OOMKilled}}' oom)"
    gantry rm -f oom looper >/dev/null 2>&1; check "engine: rm -f" 0 $?
    kill $engine; wait $engine
    left=$(find /sys/fs/cgroup -type d -path '*gantry/*' | head -3)
    check "engine: no cgroup stays" "" "$left"
    grep -E 'WARN|ERROR' /tmp/engine.log | head -5
}

runtime_checks
engine_checks
echo DONE
poweroff -f
