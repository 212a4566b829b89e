"""A client of `coracle serve --framing lines`: one JSON-RPC message a line."""

import json
import os
import select
import subprocess
import time

from . import processes


class ServiceError(Exception):
    """The service answered with an error, or ended."""


class Service:
    """A running service. `user` is a uid to run it as, where that is not the caller's."""

    def __init__(self, installation, store, run, user=None, log=None):
        environment = dict(
            os.environ, CORACLE_STORE=store, CORACLE_RUN=run, HOME=store, XDG_RUNTIME_DIR=run)
        self._log = open(log, "ab") if log else subprocess.DEVNULL
        other = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.spawned = time.monotonic_ns()
        self._process = subprocess.Popen(
            [installation.coracle, "serve", "--framing", "lines"], bufsize=0, env=environment, cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, **other)
        self._buffer = bytearray()
        self._last = 0
        self.notifications = []

    @property
    def pid(self):
        return self._process.pid

    def initialize(self):
        """Opens the session; answers the seconds from the start of the process to the answer."""
        self.request("initialize", {"processId": None, "clientInfo": {"name": "bench"}})
        taken = (time.monotonic_ns() - self.spawned) / 1e9
        self.notify("initialized", {})
        return taken

    def request(self, method, parameters, timeout=120):
        return self.answer(self.send(method, parameters), timeout)

    def send(self, method, parameters):
        """Writes a request and answers its id."""
        self._last += 1
        self._write({"jsonrpc": "2.0", "id": self._last, "method": method, "params": parameters})
        return self._last

    def notify(self, method, parameters):
        self._write({"jsonrpc": "2.0", "method": method, "params": parameters})

    def answer(self, identifier, timeout=120):
        """The result of a request; what else arrives before it is kept in `notifications`."""
        while True:
            message = self.receive(timeout)
            if message.get("id") == identifier and "method" not in message:
                if "error" in message:
                    raise ServiceError(json.dumps(message["error"]))
                return message["result"]
            self.notifications.append(message)

    def answer_any(self, identifiers, timeout=120):
        """The result of whichever of several requests is answered next, which is then taken from the list."""
        while True:
            message = self.receive(timeout)
            if message.get("id") in identifiers and "method" not in message:
                identifiers.remove(message["id"])
                if "error" in message:
                    raise ServiceError(json.dumps(message["error"]))
                return message["result"]
            self.notifications.append(message)

    def receive(self, timeout=120):
        """The next message, whatever it is."""
        return json.loads(self.line(timeout))

    def line(self, timeout=120):
        """The bytes of the next message, for those who measure until they are here, and not how Python reads them."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                raise ServiceError(f"the service was silent for {timeout} s")
            piece = os.read(self._process.stdout.fileno(), 1 << 20)
            if not piece:
                raise ServiceError(f"the service ended with status {self._process.wait()}")
            self._buffer += piece
        line = bytes(self._buffer[:end])
        del self._buffer[:end + 1]
        return line

    def close(self):
        """Ends the session as the protocol asks, and the process in any case."""
        try:
            self.request("shutdown", {}, timeout=20)
            self._write({"jsonrpc": "2.0", "method": "exit"})
            self._process.stdin.close()
            self._process.wait(20)
        except (ServiceError, OSError, subprocess.TimeoutExpired):
            processes.end(self._process, timeout=5)
        finally:
            self._process.stdout.close()
            if self._log is not subprocess.DEVNULL:
                self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.close()

    def _write(self, message):
        os.write(self._process.stdin.fileno(), json.dumps(message).encode() + b"\n")
