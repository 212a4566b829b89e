import Foundation
import SystemPackage
import TestSupport

/// Debian's containerd as a Kubernetes node has it, with `coracle-runtime` as its only runtime: the kubelet speaks the container
/// runtime interface (k8s.io/cri-api, runtime.v1) to it, gRPC over a local socket, and so does this.
struct ContainerdNode: Sendable {
  let directory: FilePath
  private let socket: FilePath

  /// The image is the bundle's root; it is there as `pause:1`, too.
  static let image = "docker.io/library/busybox:1"

  static func with(_ body: (ContainerdNode) async throws -> Void) async throws {
    try await Bundle.with { bundle in
      let node = ContainerdNode(directory: bundle.directory, socket: bundle.directory.appending("socket"))
      try await bundle.archiveRoot(to: bundle.directory.appending("layer.tar"))
      let runtime = try Programs.directory.get().appending("coracle-runtime").string
      let service = try await ChildProcess.spawn(
        ["unshare", "--net", "--mount", "/bin/sh", "-c", script, "sh", runtime],
        workingDirectory: bundle.directory, input: .pipe, output: .pipe, diesWithTests: true)
      guard let input = service.standardInput, let output = service.standardOutput else { return }
      defer { try? output.close() }
      let outcome: Result<Void, any Error>
      do {
        try await service.firstOutput()
        outcome = .success(try await body(node))
      } catch { outcome = .failure(error) }
      try input.close()
      let ended = try await service.waitForExit()
      if case .failure = outcome { throw TestFailure("\(outcome): \(ended.errorText)") }
      try outcome.get()
    }
  }

  private static let script = #"""
    mount --make-rprivate / && mount -t tmpfs tmpfs /run && ip link set lo up || exit 1
    cat > containerd.toml <<END
    version = 2
    root = "$PWD/root"
    state = "$PWD/state-of-containerd"
    [grpc]
    address = "$PWD/socket"
    [ttrpc]
    address = "$PWD/socket.ttrpc"
    [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "docker.io/library/pause:1"
    # This machine's root may not lower a score.
    restrict_oom_score_adj = true
    disable_apparmor = true
    [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "coracle"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.coracle]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.coracle.options]
    BinaryName = "$1"
    Root = "$PWD/runtime"
    END
    mkdir image
    digest=$(sha256sum layer.tar | cut -d ' ' -f 1)
    cat > image/config <<END
    {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sleep", "100000"], "Env": ["PATH=/bin"]},
     "rootfs": {"type": "layers", "diff_ids": ["sha256:$digest"]}}
    END
    cat > image/manifest.json <<END
    [{"Config": "config", "Layers": ["layer.tar"],
      "RepoTags": ["docker.io/library/pause:1", "docker.io/library/busybox:1"]}]
    END
    mv layer.tar image
    tar -C image -cf image.tar manifest.json config layer.tar
    # One that does not heed its end is killed a minute later.
    timeout --kill-after 60 1200 containerd --config $PWD/containerd.toml > log 2>&1 &
    service=$!
    end() { status=$?; kill $service; wait $service; exit $status; }
    trap end EXIT
    end=$(($(date +%s) + 300))
    until timeout 20 ctr --address $PWD/socket version > /dev/null 2>&1; do
      kill -0 $service || { cat log >&2; exit 1; }
      [ $(date +%s) -lt $end ] || { echo "containerd does not answer" >&2; tail -n 50 log >&2; exit 1; }
      sleep 0.1
    done
    timeout 300 ctr --address $PWD/socket -n k8s.io images import image.tar > /dev/null \
      || { echo "containerd does not import the image" >&2; tail -n 50 log >&2; exit 1; }
    echo
    # Until the test has what it wants.
    cat > /dev/null
    tail -n 20 log >&2
    """#

  /// Calls a method of the `RuntimeService`.
  ///
  /// - Throws: `TestFailure` with gRPC's message.
  func call(_ method: String, _ message: ProtobufMessage) async throws -> ProtobufMessage {
    let body = message.encoded
    let length = UInt32(body.count).bigEndian
    let framed = [0] + withUnsafeBytes(of: length) { Array($0) } + body
    let trailers = directory.appending("trailers").string
    let result = try await ChildProcess.run(
      [
        "curl", "--max-time", "300", "--silent", "--show-error", "--http2-prior-knowledge", "--unix-socket",
        socket.string,
        "--header", "content-type: application/grpc", "--header", "te: trailers", "--data-binary", "@-",
        "--dump-header", trailers, "http://localhost/runtime.v1.RuntimeService/\(method)",
      ], input: .bytes(framed))
    guard result.succeeded else { throw TestFailure("\(method): \(result.errorText)") }
    let said = try String(contentsOfFile: trailers, encoding: .utf8)
    let lines = said.split(whereSeparator: \.isNewline)
    guard lines.contains("grpc-status: 0") else {
      let reason = lines.first { $0.hasPrefix("grpc-message: ") } ?? ""
      throw TestFailure("\(method): \(reason.removingPercentEncoding ?? String(reason))")
    }
    guard let answer = ProtobufMessage(result.stdout.dropFirst(5)) else {
      throw TestFailure("\(method): not a message")
    }
    return answer
  }
}
