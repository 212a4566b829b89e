"""A registry of endless images, each made of its name alone: two layers, of which the lower one is shared by ten."""
import gzip
import hashlib
import http.server
import io
import json
import random
import re
import tarfile
import threading

PORT = 5000


def layer(name, files, most):
    """A tar archive of random files that are the same for the same name."""
    chance = random.Random(name)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number in range(files):
            member = tarfile.TarInfo(f"d{number % 7}/{name}-{number}")
            member.size = chance.randrange(most)
            archive.addfile(member, io.BytesIO(chance.randbytes(member.size)))
    return packed.getvalue()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    def __init__(self):
        self.blobs = {}
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def manifest(self, tag):
        number = int(tag.split("-")[-1])
        tars = [layer(f"base-{number // 10}", 60, 30000), layer(tag, 40, 20000)]
        blobs = [gzip.compress(tar, 1, mtime=0) for tar in tars]
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": {
            "type": "layers", "diff_ids": [digest(tar) for tar in tars]}, "tag": tag}).encode()
        for blob in blobs + [config]:
            self.blobs[digest(blob)] = blob
        kind = "application/vnd.oci.image."
        describe = lambda blob, media: {"mediaType": kind + media, "digest": digest(blob), "size": len(blob)}
        return json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                           "config": describe(config, "config.v1+json"),
                           "layers": [describe(blob, "layer.v1.tar+gzip") for blob in blobs]}).encode()

    def answer(self, request):
        kind = "application/octet-stream"
        if found := re.fullmatch("/v2/p/manifests/([a-z0-9-]+)", request.path):
            body, kind = self.manifest(found[1]), "application/vnd.oci.image.manifest.v1+json"
        elif found := re.fullmatch("/v2/p/blobs/(sha256:[0-9a-f]{64})", request.path):
            body = self.blobs.get(found[1], b"")
        else:
            body = b"{}"
        status = 200
        if (wanted := re.fullmatch("bytes=([0-9]+)-", request.headers.get("Range", ""))) and int(wanted[1]) < len(body):
            status, start, whole = 206, int(wanted[1]), len(body)
            body = body[start:]
        request.send_response(status)
        if status == 206:
            request.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
