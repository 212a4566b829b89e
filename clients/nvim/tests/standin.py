"""A service that does as it is told: `standin.py HEARD BODY`.

Each message that it hears is a line of the file HEARD: the method, and the parameters as JSON; each start is a line `start`.
BODY is that of a Python function of `method`, `id` and `params`, which answers True where it has dealt with the message itself.
It has `send`, `start`, how often it was started, and `die`, which ends it at once.
"""

import json
import os
import sys

heard = open(sys.argv[1], "a+", buffering=1)
heard.seek(0)
start = 1 + sum(line == "start\n" for line in heard)
heard.write("start\n")


def send(**message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


def die(status):
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


def messages():
    while header := sys.stdin.buffer.readline():
        sys.stdin.buffer.readline()
        yield json.loads(sys.stdin.buffer.read(int(header.partition(b":")[2])))


scope = {"send": send, "start": start, "die": die}
lines = (sys.argv[2].strip("\n") or "pass").splitlines()
exec("def tell(method, id, params):\n" + "".join(f"    {line}\n" for line in lines), scope)

ANSWERS = {
    "initialize": {"serverInfo": {"name": "stand-in"}, "capabilities": {"protocolVersion": "0.1", "methods": []}},
    "event/subscribe": {"subscription": "e1", "cursor": "beginning"},
    "container/list": {"containers": []},
}
for message in messages():
    method, id, params = message["method"], message.get("id"), message.get("params")
    heard.write(f"{method} {json.dumps(params, sort_keys=True)}\n")
    if scope["tell"](method, id, params):
        continue
    if method == "exit":
        break
    if id is not None:
        send(id=id, result=ANSWERS.get(method))
