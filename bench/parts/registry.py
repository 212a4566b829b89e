"""Debian's docker-registry on a loopback port, and the little of its HTTP interface that puts an image there."""

import hashlib
import http.client
import os
import subprocess
import time

from . import processes
from .workspace import program


class Registry:
    """A running registry; `address` is host:port. The port is free because the network namespace is ours."""

    address = "127.0.0.1:5000"

    def __init__(self, workspace):
        directory = workspace.directory("registry")
        configuration = os.path.join(directory, "config.yml")
        with open(configuration, "w") as file:
            file.write(
                "version: 0.1\n"
                "log: {level: error, accesslog: {disabled: true}}\n"
                f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
                f"http: {{addr: {self.address}}}\n")
        self._log = open(os.path.join(directory, "log"), "w")
        self._process = subprocess.Popen(
            [program("docker-registry", "docker-registry"), "serve", configuration],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)
        workspace.callback(processes.end, self._process)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                if self._request("GET", "/v2/")[0] == 200:
                    return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"docker-registry does not answer; see {self._log.name}")
            time.sleep(0.02)

    @property
    def pid(self):
        return self._process.pid

    def push(self, repository, tag, image, present=()):
        """Puts an image there: its blobs, but for those that are present in the repository, then its manifest."""
        there = {blob.digest for blob in present}
        for blob in image.blobs:
            if blob.digest in there:
                continue
            _, headers = self._request("POST", f"/v2/{repository}/blobs/uploads/", expected=202)
            location = headers["Location"]
            location = location[location.index("/v2/"):]
            with open(blob.path, "rb") as file:
                self._request(
                    "PUT", f"{location}&digest={blob.digest}", body=file, expected=201,
                    headers={"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)})
        self._request(
            "PUT", f"/v2/{repository}/manifests/{tag}", body=image.manifest, expected=201,
            headers={"Content-Type": image.media_type})
        return f"{self.address}/{repository}:{tag}"

    def blob_url(self, repository, digest):
        return f"http://{self.address}/v2/{repository}/blobs/{digest}"

    def warm(self, repository, image):
        """Reads every blob once, so that all who follow find them in the page cache."""
        for blob in image.blobs:
            connection = http.client.HTTPConnection(self.address)
            connection.request("GET", f"/v2/{repository}/blobs/{blob.digest}")
            answer = connection.getresponse()
            seen = hashlib.sha256()
            while piece := answer.read(1 << 20):
                seen.update(piece)
            connection.close()
            assert "sha256:" + seen.hexdigest() == blob.digest

    def _request(self, method, path, body=None, headers=None, expected=None):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read()
            if expected is not None and answer.status != expected:
                raise RuntimeError(f"docker-registry: {method} {path}: {answer.status} {text[:300]!r}")
            return answer.status, answer.headers
        finally:
            connection.close()
