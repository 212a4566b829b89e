"""A stand-in for a service, which says what the real one does not."""

import sys

PROGRAM = """
import json
import sys


def send(**message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


def messages():
    while header := sys.stdin.buffer.readline():
        sys.stdin.buffer.readline()
        yield json.loads(sys.stdin.buffer.read(int(header.partition(b":")[2])))


ABILITIES = {"protocolVersion": "0.1", "methods": [], "maxFrameBytes": 1 << 20}
for message in messages():
    method, id, params = message["method"], message.get("id"), message.get("params")
    if method == "initialize":
        send(id=id, result={"serverInfo": {"name": "stand-in", "version": "0"}, "capabilities": ABILITIES})
    elif method == "shutdown":
        send(id=id, result=None)
    elif method == "exit":
        break
    elif method != "initialized":
        answer(method, id, params)
"""


def stand_in(answer):
    """The command of a service that does `answer`, the source of what has `method`, `id` and `params`, for each message
    that is not about the session itself. It has `send`.
    """
    body = "".join(f"    {line}\n" for line in answer.strip("\n").splitlines())
    return [sys.executable, "-c", f"def answer(method, id, params):\n{body}{PROGRAM}"]
