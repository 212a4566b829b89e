"""A service of the engine as the power-cut test talks to it: one JSON message a line."""
import json
import subprocess


class Refused(Exception):
    """An error response; its text is the message, `kind` what a program goes by."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.kind = (error.get("data") or {}).get("kind")


class Service:
    def __init__(self, programs, store, run):
        self.process = subprocess.Popen(
            [f"{programs}/coracle", "serve", "--framing", "lines", "--store", store, "--run", run],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = 0
        self.send("initialize", clientInfo={"name": "power-cut"})
        self.notify("initialized")

    def notify(self, method):
        self.write({"jsonrpc": "2.0", "method": method})

    def send(self, method, **params):
        self.number += 1
        self.write({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get("id") == self.number:
                if "error" in message:
                    raise Refused(message["error"])
                return message["result"]
        raise EOFError(f"the service ended in the middle of {method}")

    def write(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def stop(self):
        self.send("shutdown")
        self.notify("exit")
        self.process.stdin.close()
        return self.process.wait()
