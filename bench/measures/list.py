"""A list of very many images."""

import hashlib
import json
import os
import time

from parts.report import Section, at_most
from parts.rounds import tell
from parts.service import Service
from parts.variants import small_layers

IMAGES = 10_000
ROUNDS = 30
LIMIT = 0.020
LOAD_SECONDS = 600


def measure(bench):
    tell(f"list: {IMAGES:,} images ")
    with bench.workspace.fresh_filesystem() as directory:
        layout = os.path.join(directory, "layout")
        _write_layout(layout)
        store, run = bench.store_in(directory)
        with Service(bench.installation, store, run, log=bench.log) as service:
            service.initialize()
            service.request("image/load", {"path": layout}, timeout=LOAD_SECONDS)
            tell("measuring\n")
            samples = [_once(service) for _ in range(bench.rounds or ROUNDS)]
    section = Section(f"image/list: {IMAGES:,} images, until the last byte is read", "ms")
    section.subject("coracle", samples, at_most(LIMIT))
    return [section]


def _once(service):
    start = time.monotonic()
    service.send("image/list", {})
    line = service.line()
    taken = time.monotonic() - start
    while "result" not in (answer := json.loads(line)):
        line = service.line()
    assert len(answer["result"]["images"]) == IMAGES
    return taken


def _write_layout(directory):
    """Images that differ in their configurations alone, as an OCI image layout."""
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)

    def put(data):
        name = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, name), "wb") as file:
            file.write(data)
        return {"digest": "sha256:" + name, "size": len(data)}

    layers = small_layers()
    described = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(layer)} for layer in layers]
    kind = "application/vnd.oci.image."
    manifests = []
    for number in range(IMAGES):
        config = put(json.dumps({
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
            "os": "linux", "created": "2026-01-02T03:04:05Z", "config": {"Labels": {"number": str(number)}},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in described]}}).encode())
        manifest = put(json.dumps({
            "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
            "config": {"mediaType": kind + "config.v1+json", **config}, "layers": described}).encode())
        manifests.append({
            "mediaType": kind + "manifest.v1+json", **manifest,
            "annotations": {"org.opencontainers.image.ref.name": f"example.com/many/images:{number}"}})
    with open(os.path.join(directory, "index.json"), "w") as file:
        json.dump({"schemaVersion": 2, "manifests": manifests}, file)
    with open(os.path.join(directory, "oci-layout"), "w") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}')
