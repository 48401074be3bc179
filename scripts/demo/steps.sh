# The story's steps; each refuses at the first thing that is not so.

PAGE_SCRIPT='echo "hello from $(hostname)" > /www/index.html; echo "serving on $(hostname -i)"; exec httpd -f -v -p 80 -h /www'

make_busybox_image() {
  local root=$RUN/busybox name
  mkdir -p "$root"/{bin,etc,tmp,www,proc,sys,dev}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for name in $("$root/bin/busybox" --list); do
    [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
  done
  echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  tar -C "$root" -cf "$RUN/busybox.tar" .
  run gantry import -c 'EXPOSE 80' -c "CMD [\"sh\", \"-c\", ${PAGE_SCRIPT_JSON}]" "$RUN/busybox.tar" "$HUB/ada/web:1.0"
  run gantry images
  output_has "$HUB/ada/web"
  rm -rf "$root"
}
PAGE_SCRIPT_JSON=$(printf '%s' "$PAGE_SCRIPT" | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/')

# A Debian with nginx, made once by debootstrap and kept in the cache.
make_debian_image() {
  local tar=$CACHE/debian-nginx.tar root=$STATE/debootstrap suite
  HAS_DEBIAN=
  if [ -n "${DEMO_FAST:-}" ]; then skipped "the Debian image with nginx (DEMO_FAST)"; return; fi
  if [ ! -s "$tar" ]; then
    if ! command -v debootstrap >/dev/null && ! apt-get install -y --no-install-recommends debootstrap >"$LOG.apt" 2>&1; then
      skipped "the Debian image: debootstrap is not here and apt cannot install it"
      return
    fi
    suite=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME" || echo bookworm)
    note "debootstrap $suite with nginx (some minutes, once)"
    rm -rf --one-file-system "$root"
    if ! debootstrap --variant=minbase --include=nginx-light "$suite" "$root" >"$LOG.debootstrap" 2>&1; then
      skipped "the Debian image: debootstrap failed: $(tail -1 "$LOG.debootstrap")"
      return
    fi
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar -C "$root" --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -cf "$tar.part" .
    mv "$tar.part" "$tar"
    rm -rf --one-file-system "$root"
  fi
  run gantry import -c 'CMD ["nginx", "-g", "daemon off;"]' -c 'EXPOSE 80' -c 'STOPSIGNAL SIGQUIT' "$tar" "$HUB/ada/nginx:1.0"
  HAS_DEBIAN=1
}

use_the_hub() {
  local password digest
  password=$(head -c 18 /dev/urandom | base64)
  printf '%s' "$password" | run_with_input gantry-hub user add ada --password-stdin --data-dir "$DATA/hub"
  mkdir -p "$RUN/certs.d/$HUB"
  cp "$TLS/ca.crt" "$RUN/certs.d/$HUB/ca.crt"
  printf '%s' "$password" | run_with_input gantry login -u ada --password-stdin "$HUB"
  output_has "Login Succeeded"
  run gantry push "$HUB/ada/web:1.0"
  digest=$(grep -o 'sha256:[0-9a-f]\{64\}' "$RUN/output" | tail -1)
  [ -n "$digest" ] || refuse "push did not tell the digest"
  if [ -n "$HAS_DEBIAN" ]; then run gantry push "$HUB/ada/nginx:1.0"; fi
  run gantry rmi "$HUB/ada/web:1.0"
  run gantry search "$HUB/web"
  output_has "ada/web"
  if DOCKER_CONFIG=$RUN/stranger gantry search "$HUB/web" | grep -q ada/web; then
    refuse "a stranger finds a private repository"
  fi
  held "strangers do not find it: a repository is private until its owner says otherwise"
  run gantry-hub repo set-visibility ada/web public --data-dir "$DATA/hub"
  within 5 eval 'DOCKER_CONFIG=$RUN/stranger gantry search "$HUB/web" | grep -q ada/web'
  run gantry pull "$HUB/ada/web:1.0"
  output_has "$digest"
  run gantry rmi "$HUB/ada/web:1.0"
  run gantry pull "$HUB/ada/web@$digest"
  output_has "$digest"
  run gantry tag "$HUB/ada/web@$digest" web
}

# The same as `run`, with the caller's standard input.
run_with_input() { run "$@"; }

start_three() {
  local n
  PORTS=()
  for n in 1 2 3; do
    PORTS[n]=$(free_port)
    run gantry run -d --name "web$n" --hostname "web$n" -p "127.0.0.1:${PORTS[n]}:80" web
  done
}

answers() { [ "$(curl -fsS --max-time 2 "http://127.0.0.1:${PORTS[$1]}/")" = "hello from web$1" ]; }

all_answer() { answers 1 && answers 2 && answers 3; }

address() { gantry inspect --format '{{.NetworkSettings.Networks.bridge.IPAddress}}' "$1"; }

three_containers() {
  local n addresses
  start_three
  run gantry ps
  for n in 1 2 3; do
    within 10 answers "$n"
    held "http://127.0.0.1:${PORTS[n]}/ says: $(curl -fsS "http://127.0.0.1:${PORTS[n]}/")"
  done
  addresses=$(for n in 1 2 3; do address "web$n"; done)
  [ "$(sort -u <<<"$addresses" | grep -c "^$SUBNET\.")" = 3 ] || refuse "not three addresses: $addresses"
  held "three addresses: $(echo $addresses)"
  run gantry exec web1 wget -qO- "http://$(address web2)/"
  output_has "hello from web2"
  run gantry logs web3
  output_has "serving on"
  run gantry stats --no-stream
  output_has web2
  run gantry stop --time 1 web1 web2 web3
  run gantry rm web1 web2 web3
  [ -z "$(gantry ps -aq)" ] || refuse "containers are left"
}

one_debian_container() {
  local port
  [ -n "$HAS_DEBIAN" ] || return 0
  port=$(free_port)
  run gantry run -d --name nginx -p "127.0.0.1:$port:80" "$HUB/ada/nginx:1.0"
  within 20 curl -fsS --max-time 2 "http://127.0.0.1:$port/"
  held "nginx says: $(curl -fsS "http://127.0.0.1:$port/" | grep -o '<title>.*</title>')"
  run gantry exec nginx nginx -v
  run gantry stop nginx
  run gantry rm nginx
}

over_tcp() {
  local other=$RUN/other-client
  mkdir -p "$other"
  cp "$TLS/ca.crt" "$other/ca.pem"
  cp "$TLS/client.crt" "$other/cert.pem"
  cp "$TLS/client.key" "$other/key.pem"
  if curl -fsS --cacert "$TLS/ca.crt" "https://127.0.0.1:$API_PORT/_ping" >"$RUN/output" 2>&1; then
    refuse "the engine let in a client without a certificate"
  fi
  held "without a certificate nobody gets in"
  (
    export DOCKER_CONFIG=$other DOCKER_CERT_PATH=$other DOCKER_TLS_VERIFY=1 DOCKER_HOST=tcp://127.0.0.1:$API_PORT
    run gantry run --rm web echo "started over mutual TLS"
    output_has "started over mutual TLS"
    run gantry version --format '{{.Server.Version}}'
  ) || refuse "the second client over TCP and mutual TLS"
}

# An SSH server of the distribution, unpacked below the cache: installing it would start it.
find_sshd() {
  local dir=$CACHE/sshd
  SSHD=/usr/sbin/sshd
  [ ! -x "$SSHD" ] || return 0
  SSHD=$dir/usr/sbin/sshd
  if [ -x "$SSHD" ]; then return 0; fi
  if [ -n "${DEMO_FAST:-}" ]; then skipped "SSH: there is no sshd here (DEMO_FAST)"; return 1; fi
  mkdir -p "$dir"
  (cd "$dir" && apt-get download openssh-server libwrap0 && for deb in *.deb; do dpkg -x "$deb" .; done) \
    >"$LOG.apt" 2>&1 || true
  [ -x "$SSHD" ] || { skipped "SSH: there is no sshd here and apt cannot fetch one"; return 1; }
}

over_ssh() {
  local dir=$RUN/ssh port
  command -v ssh >/dev/null || { skipped "SSH: there is no ssh here"; return 0; }
  find_sshd || return 0
  port=$(free_port)
  mkdir -p -m 0700 "$dir"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/user"
  cp "$dir/user.pub" "$dir/authorized_keys"
  echo "[127.0.0.1]:$port $(cut -d ' ' -f 1,2 "$dir/host.pub")" >"$dir/known_hosts"
  cat >"$dir/config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $dir/host
PidFile $RUN/sshd.pid
AuthorizedKeysFile $dir/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH=$PATH DOCKER_HOST=unix://$SOCKET
CONFIG
  printf 'root:x:0:0:root:/root:/bin/sh\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n' >"$dir/passwd"
  printf 'root:*:19000::::::\nsshd:*:19000::::::\n' >"$dir/shadow"
  [ -d /run/sshd ] || { mkdir -m 0755 /run/sshd && touch "$STATE/made-run-sshd"; }
  # Its own view of the accounts: a locked root or a missing account `sshd` do not matter.
  SSHD=$SSHD LIBS=$CACHE/sshd unshare -m sh -c "mount --bind '$dir/passwd' /etc/passwd && mount --bind '$dir/shadow' /etc/shadow &&
    LD_LIBRARY_PATH=\$(echo \$LIBS/usr/lib/*-linux-gnu | tr ' ' ':') exec \$SSHD -f '$dir/config' -E '$LOG.sshd'" 9>&- ||
    { skipped "SSH: sshd does not start here: $(tail -1 "$LOG.sshd" 2>/dev/null)"; return 0; }
  within 10 test -s "$RUN/sshd.pid"
  mkdir -p "$dir/bin"
  printf '#!/bin/sh\nexec %s -i %s -o UserKnownHostsFile=%s -o IdentitiesOnly=yes -F none "$@"\n' \
    "$(command -v ssh)" "$dir/user" "$dir/known_hosts" >"$dir/bin/ssh"
  chmod +x "$dir/bin/ssh"
  (
    export PATH=$dir/bin:$PATH DOCKER_CONFIG=$dir DOCKER_HOST=ssh://root@127.0.0.1:$port
    run gantry run --rm web echo "started over SSH"
    output_has "started over SSH"
  ) || refuse "the second client over SSH"
}

pids() { gantry inspect --format '{{.Name}} {{.State.Pid}} {{.RestartCount}}' web1 web2 web3; }

kill_the_engine() {
  local before engine fetched=0
  start_three
  within 10 all_answer
  before=$(pids)
  engine=$(cat "$RUN/gantryd.pid")
  run kill -9 "$engine"
  while kill -0 "$engine" 2>/dev/null; do sleep 0.01; done
  for _ in 1 2 3 4 5; do all_answer || refuse "a container stopped answering"; fetched=$((fetched + 3)); done
  held "no engine; $fetched pages fetched from the three containers meanwhile"
  start_engine_process
  held "gantryd is back"
  [ "$(pids)" = "$before" ] || refuse "the containers changed: before $before; now $(pids)"
  held "the same processes: $(echo $before)"
  run gantry ps
  all_answer || refuse "a container does not answer after the restart"
  run gantry exec web2 hostname
  output_has web2
  if [ -n "${KEEP:-}" ]; then return 0; fi
  run gantry rm -f web1 web2 web3
  [ -z "$(gantry ps -aq)" ] || refuse "containers are left"
}
