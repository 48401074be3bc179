# What the reader sees: numbered steps, commands with their output, and what follows from them.
if [ -t 1 ]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' YELLOW=$'\e[33m' PLAIN=$'\e[0m'
else
  BOLD= DIM= GREEN= RED= YELLOW= PLAIN=
fi
STEP=0 STEP_TITLE="preparation" STEP_BEGAN=$EPOCHREALTIME ALL_HELD=
SUMMARY=()
LAST_COMMAND=

milliseconds_since() { echo $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000)); }

readable() { printf '%d.%03d s' $(($1 / 1000)) $(($1 % 1000)); }

close_step() {
  [ "$STEP" = 0 ] ||
    SUMMARY+=("$(printf '%s  %s  %-48s %12s' "$1" "$STEP" "$STEP_TITLE" "$(readable "$(milliseconds_since "$STEP_BEGAN")")")")
}

step() {
  close_step "${GREEN}held${PLAIN}  "
  STEP=$1 STEP_TITLE=$2 STEP_BEGAN=$EPOCHREALTIME
  printf '\n%s%s. %s%s\n' "$BOLD" "$STEP" "$STEP_TITLE" "$PLAIN"
}

held() { printf '   %s✓%s %s\n' "$GREEN" "$PLAIN" "$1"; }
note() { printf '   %s\n' "$1"; }
skipped() { printf '   %s- skipped:%s %s\n' "$YELLOW" "$PLAIN" "$1"; SKIPPED+=("step $STEP: $1"); }
SKIPPED=()

# A command as it could be typed, with short paths and without a long argument's middle.
shown() {
  local text="${*//$STATE/demo-state}"
  [ ${#text} -le 130 ] || text="${text:0:70} ... ${text: -55}"
  echo "$text"
}

# Runs a command of the story: shows it, its output (the last lines of a long one) and its time.
run() {
  local began=$EPOCHREALTIME out=$RUN/output code=0
  LAST_COMMAND="$*"
  "$@" >"$out" 2>&1 || code=$?
  printf '   %s$ %s%s %s(%s)%s\n' "$BOLD" "$(shown "$@")" "$PLAIN" "$DIM" "$(readable "$(milliseconds_since "$began")")" "$PLAIN"
  if [ "$code" != 0 ]; then
    sed 's/^/       /' "$out"
    refuse "$1 answered with exit code $code"
  fi
  if [ "$(wc -l <"$out")" -gt 8 ]; then printf '       %s...%s\n' "$DIM" "$PLAIN"; fi
  tail -8 "$out" | cut -c -150 | sed 's/^/       /'
}

# Ends the demo: a step did not hold.
refuse() {
  REASON=$1
  exit 1
}
REASON=

# The last output must contain this.
output_has() {
  grep -qF -- "$1" "$RUN/output" || refuse "the output of '$LAST_COMMAND' does not have '$1'"
}

failed() {
  [ -n "$REASON" ] || REASON="line $1: $BASH_COMMAND"
}

# Tries a command until it succeeds, for at most so many seconds.
within() {
  local seconds=$1 until
  shift
  until=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || refuse "not within $seconds s: $*"
    sleep 0.05
  done
}

finish() {
  local code=$?
  trap - ERR EXIT
  set +e
  if [ -n "$ALL_HELD" ]; then close_step "${GREEN}held${PLAIN}  "; else close_step "${RED}FAILED${PLAIN}"; fi
  printf '\n%sWhat was done%s\n' "$BOLD" "$PLAIN"
  printf '   %s\n' "${SUMMARY[@]}"
  local line
  for line in "${SKIPPED[@]}"; do printf '   %sskipped%s %s\n' "$YELLOW" "$PLAIN" "$line"; done
  if [ -z "$ALL_HELD" ]; then
    printf '\n%sStep %s (%s) did not hold%s: %s\n' "$RED" "$STEP" "$STEP_TITLE" "$PLAIN" "${REASON:-interrupted}"
    [ ! -s "$LOG.gantryd" ] || { echo "the engine's last words:"; tail -5 "$LOG.gantryd" | sed 's/^/   /'; }
    [ ! -s "$LOG.hub" ] || { echo "the hub's last words:"; tail -3 "$LOG.hub" | sed 's/^/   /'; }
  fi
  if [ -n "${KEEP:-}" ]; then
    printf '\nStill running (KEEP=1). Try it:\n   export DOCKER_HOST=%s DOCKER_CONFIG=%s PATH=%s:$PATH\n   gantry ps\n' \
      "$DOCKER_HOST" "$DOCKER_CONFIG" "$BIN"
  else
    stop_everything
    [ -z "$ALL_HELD" ] || printf '\nEverything the demo started is stopped.\n'
  fi
  printf 'make clean-demo takes away the rest (%s).\n' "$(du -sh "$STATE" 2>/dev/null | cut -f 1)"
  if [ -z "$ALL_HELD" ]; then [ "$code" != 0 ] || code=1; exit "$code"; fi
  exit 0
}
