# Programs, certificates, engine and hub.

build_programs() {
  scripts/prerequisites.sh demo
  local profile=(--release)
  [ "$PROFILE" = release ] || profile=(--profile "$PROFILE")
  note "building ($PROFILE); the first time takes some minutes"
  [ -n "${DEMO_NO_BUILD:-}" ] || cargo build --quiet "${profile[@]}" --bins
  held "$(gantryd --version), $(gantry-hub --version)"
}

# certificate NAME EXTENSIONS: a key and a certificate signed by the demo's own authority.
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "$TLS/$1.key" -out "$TLS/$1.csr" 2>/dev/null
  openssl x509 -req -in "$TLS/$1.csr" -CA "$TLS/ca.crt" -CAkey "$TLS/ca.key" -CAcreateserial -days 7 \
    -extfile <(printf '%s\n' "basicConstraints=CA:FALSE" "$2") -out "$TLS/$1.crt" 2>/dev/null
}

make_certificates() {
  TLS=$RUN/tls
  SUBNET=$(free_subnet)
  mkdir -p "$TLS"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj "/CN=Gantry demo authority" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$TLS/ca.key" -out "$TLS/ca.crt" 2>/dev/null
  certificate engine $'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth'
  certificate hub "subjectAltName=IP:$SUBNET.1"$'\nextendedKeyUsage=serverAuth'
  certificate client 'extendedKeyUsage=clientAuth'
  held "an authority and certificates for engine, hub and client, made on the spot"
}

start_engine_process() {
  gantryd --config-file "$RUN/daemon.json" --pidfile "$RUN/gantryd.pid" >>"$LOG.gantryd" 2>&1 9>&- &
  local engine=$!
  disown "$engine"
  for _ in $(seq 600); do
    if gantry version >/dev/null 2>&1; then return 0; fi
    sleep 0.05
    kill -0 "$engine" 2>/dev/null || { REASON="gantryd ended at its start"; return 1; }
  done
  REASON="gantryd does not answer"
  return 1
}

start_engine() {
  API_PORT=$(free_port)
  [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || cat /proc/sys/net/ipv4/ip_forward >"$STATE/ip_forward"
  mkdir -p "$RUN/certs.d"
  cat >"$RUN/daemon.json" <<JSON
{
  "hosts": ["unix://$SOCKET", "tcp://127.0.0.1:$API_PORT"],
  "tlsverify": true,
  "tlscacert": "$TLS/ca.crt", "tlscert": "$TLS/engine.crt", "tlskey": "$TLS/engine.key",
  "data-root": "$DATA/engine", "exec-root": "$RUN/engine",
  "bridge": "$BRIDGE", "bip": "$SUBNET.1/24", "cgroup-parent": "$CGROUP",
  "registry-certs-dir": "$RUN/certs.d"
}
JSON
  start_engine_process
  held "gantryd on ${SOCKET/$STATE/demo-state} and on tcp://127.0.0.1:$API_PORT with mutual TLS, bridge $BRIDGE, $SUBNET.0/24"
}

start_hub() {
  gantry-hub serve --data-dir "$DATA/hub" --listen "$SUBNET.1:0" --port-file "$RUN/hub.port" \
    --tls-cert "$TLS/hub.crt" --tls-key "$TLS/hub.key" >>"$LOG.hub" 2>&1 9>&- &
  echo $! >"$RUN/hub.pid"
  disown $!
  within 30 test -s "$RUN/hub.port"
  HUB=$SUBNET.1:$(cat "$RUN/hub.port")
  held "gantry-hub on https://$HUB"
}
