#!/usr/bin/env bash
# Shows what Coracle does, once, against a real registry, in a store of its own. Leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=$PWD/.build/release
place=$(mktemp -d "${TMPDIR:-/tmp}/coracle-demo-XXXXXX")
export CORACLE_STORE=$place/store CORACLE_RUN=$place/run
registry_pid=

bold= plain= dim=
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

clean_up() {
  local status=$?
  trap - EXIT INT TERM
  if ((status != 0)); then
    echo "the demo failed; what happened is above" >&2
    if [[ -s $place/registry.log ]]; then
      echo "the registry's last words:" >&2
      tail -n 5 "$place/registry.log" >&2
    fi
  fi
  if [[ -e $CORACLE_STORE ]]; then
    # Files of other users, as an ordinary user's containers may have, can only be removed by the engine.
    for container in web maker; do "$programs/coracle-repl" -c "rm -f $container" > /dev/null 2>&1 || true; done
  fi
  if [[ -n $registry_pid ]]; then
    kill "$registry_pid" 2> /dev/null || true
    wait "$registry_pid" 2> /dev/null || true
  fi
  rm -rf "$place"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# Types a command at the REPL: each has a service of its own, as a different client would.
coracle() {
  printf '%scoracle>%s %s\n' "$dim" "$plain" "$*"
  "$programs/coracle-repl" -c "$*"
}

free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 20000))
    if ! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      echo "$port"
      return
    fi
  done
  echo "there is no free port on 127.0.0.1" >&2
  exit 1
}

# Runs a command until it succeeds, for ten seconds at most.
eventually() {
  for _ in {1..100}; do
    if "$@" 2> /dev/null; then return; fi
    sleep 0.1
  done
  echo "still failing after ten seconds: $*" >&2
  exit 1
}

start_registry() {
  registry=127.0.0.1:$(free_port)
  cat > "$place/registry.yml" << END
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $place/registry}}
http: {addr: "$registry"}
END
  OTEL_TRACES_EXPORTER=none docker-registry serve "$place/registry.yml" > "$place/registry.log" 2>&1 &
  registry_pid=$!
  eventually busybox wget -Y off -q -O /dev/null "http://$registry/v2/"
}

make_root() {
  local root=$place/root name
  mkdir -p "$root"/{bin,etc,tmp}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for name in sh cat dd echo httpd ls mkdir rm sleep touch; do ln -s busybox "$root/bin/$name"; done
  echo 'root:x:0:0:root:/:/bin/sh' > "$root/etc/passwd"
  tar --owner 0 --group 0 -C "$root" -cf "$place/busybox.tar" .
}

start_registry
make_root
image=$registry/demo/web:1
port=$(free_port)

say "A root file system becomes an image, and what a container writes becomes a layer on it."
coracle "import $place/busybox.tar busybox:1"
coracle "run --name maker busybox:1 sh -c 'mkdir /www; echo Hello from a container. > /www/index.html; dd if=/dev/urandom of=/www/picture bs=1M count=24 2> /dev/null'"
coracle "diff maker"
coracle "commit -m 'a page and a picture' --cmd 'httpd -f -p 127.0.0.1:$port -h /www' maker $image"
coracle "rm maker"

say "It goes to a registry ($registry, Debian's docker-registry), away from here, and comes back."
coracle "push $image"
coracle "rmi $image busybox:1"
coracle "images"
coracle "pull $image"
coracle "history $image"

say "Each container starts on a writable layer of its own: neither of these sees the other's file."
for _ in 1 2; do
  coracle "run --rm $image sh -c 'ls /mine 2> /dev/null || echo no file yet; touch /mine; ls /mine'"
done

say "A container serves a page. It has no daemon: the service that started it is gone already."
coracle "run -d --name web --network host $image"
eventually busybox wget -Y off -q -O "$place/page" "http://127.0.0.1:$port/"
printf '%s$%s wget -q -O - http://127.0.0.1:%s/\n' "$dim" "$plain" "$port"
cat "$place/page"
coracle "ps"
coracle "exec web ls -l /www"
coracle "stop -t 0.5 web"
coracle "rm web"

say "All of it was journalled, though each command had a service of its own."
coracle "events"

say "That was Coracle. \`make\` has built it into .build/release; README.md tells the rest."
