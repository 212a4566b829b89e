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
  coproc CORACLE { exec "$@" --framing lines; }
  # Bash forgets it when the service ends.
  coracle_pid=$CORACLE_PID
  coracle_request initialize '{"clientInfo": {"name": "shell"}}' && coracle_notify initialized
}

coracle_request() {
  coracle_id=$((coracle_id + 1))
  jq -cn --argjson id "$coracle_id" --arg method "$1" --argjson params "${2:-"{}"}" \
    '{jsonrpc: "2.0", $id, $method, $params}' >&"${CORACLE[1]}"
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
  IFS= read -r coracle_message <&"${CORACLE[0]}" || { echo 'the service has ended' >&2; return 1; }
}

coracle_notify() {
  jq -cn --arg method "$1" --argjson params "${2:-"{}"}" '{jsonrpc: "2.0", $method, $params}' >&"${CORACLE[1]}"
}

coracle_close() {
  coracle_request shutdown && coracle_notify exit && wait "$coracle_pid"
}
