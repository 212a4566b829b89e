# A session with Coracle for bash scripts, one JSON message a line. Needs jq. To be sourced.
#
#   coracle_open [COMMAND...]      starts the service: `coracle serve`, or what leads to one, as `ssh host coracle serve`
#   coracle_request METHOD [JSON]  sends a request and waits for its result, which is then in $coracle_result; fails with the
#                                  error on stderr. What comes before it is given to the function coracle_notice, in
#                                  $coracle_message, where the script has one
#   coracle_read                   waits for the next message, which is then in $coracle_message
#   coracle_notify METHOD [JSON]   says something that has no answer
#   coracle_close                  ends the session; containers go on

coracle_id=0

coracle_open() {
  if (($# == 0)); then set -- coracle serve; fi
  # It begins only when it is known by names of the script's own: bash forgets those of a coprocess that has ended.
  coproc CORACLE { read -r && exec "$@" --framing lines; }
  coracle_pid=$CORACLE_PID
  exec {coracle_in}<&"${CORACLE[0]}" {coracle_out}>&"${CORACLE[1]}"
  echo >&"$coracle_out"
  coracle_request initialize '{"clientInfo": {"name": "shell"}}' && coracle_notify initialized
}

coracle_request() {
  coracle_id=$((coracle_id + 1))
  coracle_write --argjson id "$coracle_id" --arg method "$1" --argjson params "${2:-"{}"}" \
    '{jsonrpc: "2.0", $id, $method, $params}' || return
  while coracle_read; do
    if [[ $(jq -r '.id // empty' <<< "$coracle_message") == "$coracle_id" ]]; then
      coracle_result=$(jq -c '.result // empty' <<< "$coracle_message")
      [[ $coracle_result ]] && return
      jq -r '.error | [.message, .data.causes[]?, (.data.hint // empty | "hint: " + .)] | join("\n  ")' \
        <<< "$coracle_message" >&2
      return 1
    fi
    if declare -F coracle_notice > /dev/null; then coracle_notice; fi
  done
  return 1
}

coracle_read() {
  IFS= read -r coracle_message <&"$coracle_in" || { echo 'the service has ended' >&2; return 1; }
}

coracle_notify() {
  coracle_write --arg method "$1" --argjson params "${2:-"{}"}" '{jsonrpc: "2.0", $method, $params}'
}

# Writes the message that jq makes. That nobody takes it, since the service has ended, is told by the next coracle_read.
coracle_write() {
  local message
  message=$(jq -cn "$@") || return
  cat <<< "$message" >&"$coracle_out" 2> /dev/null || true
}

coracle_close() {
  coracle_request shutdown && coracle_notify exit && exec {coracle_in}<&- {coracle_out}>&- && wait "$coracle_pid"
}
