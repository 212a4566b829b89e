import Glibc
import LinuxSystem
import SystemPackage
import TestSupport

/// A registry in HTTPS that has a bad day: of each manifest it answers 503 first, then 429, then nothing at all; and of each
/// blob it sends half before the connection breaks.
func withTLSServer(
  blob: [UInt8], manifest: [UInt8], _ body: @Sendable (_ host: String) async throws -> Void
) async throws {
  try await withTemporaryDirectory { directory in
    let (certificate, key) = try await selfSigned(in: directory, "server")
    try directory.appending("blob").write(blob)
    try directory.appending("manifest").write(manifest)
    let process = try await ChildProcess.spawn(
      ["python3", "-c", script, directory.string, certificate.string, key.string],
      environment: ["PATH": "/usr/bin:/bin"], output: .pipe, error: .discard, diesWithTests: true)
    do {
      let line = try await process.firstOutput()
      guard let port = UInt16(line.filter(\.isNumber)) else { throw TestFailure("no TLS server") }
      try await body("127.0.0.1:\(port)")
    } catch {
      process.signal(SIGKILL)
      _ = try? await process.waitForExit()
      throw error
    }
    process.signal(SIGKILL)
    _ = try? await process.waitForExit()
  }
}

private let script = #"""
  import http.server, ssl, sys
  directory, certificate, key = sys.argv[1:]
  read = lambda name: open(directory + "/" + name, "rb").read()
  blob, manifest = read("blob"), read("manifest")
  asked = {}
  class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def answer(self, status, body, fields={}, send=None):
      self.send_response(status)
      for name, value in fields.items(): self.send_header(name, value)
      self.send_header("Content-Length", str(len(body)))
      self.end_headers()
      self.wfile.write(body if send is None else body[:send])
      if send is not None: self.close_connection = True
    def do_GET(self):
      asked[self.path] = count = asked.get(self.path, 0) + 1
      if "/a/manifests/" in self.path:
        if count == 1: return self.answer(503, b"")
        if count == 2: return self.answer(429, b"", {"Retry-After": "0"})
        if count == 3:
          self.close_connection = True
          return
        return self.answer(200, manifest, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
      if "/a/blobs/" in self.path:
        if count == 1: return self.answer(200, blob, send=len(blob) // 2)
        start = int(self.headers["Range"][len("bytes="):-1])
        return self.answer(206, blob[start:], {"Content-Range": f"bytes {start}-{len(blob) - 1}/{len(blob)}"})
      self.answer(404, b"")
  class Server(http.server.ThreadingHTTPServer):
    # The handshake is the connection's own thread's.
    def finish_request(self, request, client):
      super().finish_request(context.wrap_socket(request, server_side=True), client)
    def handle_error(self, *args): pass
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(certificate, key)
  server = Server(("127.0.0.1", 0), Handler)
  print(server.server_address[1], flush=True)
  server.serve_forever()
  """#
