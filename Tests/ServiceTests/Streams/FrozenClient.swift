import Foundation
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// A service whose client writes and reads lines of JSON, and reads only when it is told to.
struct FrozenClient {
  private let process: ChildProcess
  private let input: FileDescriptor
  private let output: FileDescriptor
  var pid: Int32 { process.pid }

  /// The session is open.
  init(_ store: TestStore) async throws {
    let program = try Programs.directory.get().appending("coracle").string
    process = try await ChildProcess.spawn(
      store.account.launcher + [
        program, "serve", "--framing", "lines", "--store", store.store.string, "--run", store.run.string,
      ], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": store.directory.string], input: .pipe,
      output: .pipe, error: .inherit, diesWithTests: true)
    guard let input = process.standardInput, let output = process.standardOutput else {
      throw TestFailure("no pipes")
    }
    (self.input, self.output) = (input, output)
    try send(#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#)
    try send(#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#)
    _ = try await stream("", until: 1)
  }

  func send(_ line: String) throws { try input.writeAll(Array((line + "\n").utf8)) }

  func waitForOutput() async throws {
    try await withPatience(Patience.wait) { [output] in try await DescriptorWatcher.shared.readable(output) }
  }

  /// Reads what comes up to a request's answer.
  ///
  /// - Returns: the bytes of a stream.
  func stream(_ name: String, until request: Int) async throws -> [UInt8] {
    nonisolated(unsafe) var bytes: [UInt8] = []  // Written before `read` returns, read after.
    try await read(until: request) { message in
      guard let data = message["params"] as? [String: Any], data["stream"] as? String == name,
        let text = data["data"] as? String
      else { return }
      bytes +=
        data["encoding"] as? String == "base64"
        ? Array(Data(base64Encoded: text) ?? Data()) : Array(text.utf8)
    }
    return bytes
  }

  /// Reads what comes up to a request's answer, that among it.
  func read(until request: Int, _ take: @escaping @Sendable ([String: Any]) -> Void) async throws {
    let (output, process) = (output, process)
    // Who reads is told of the end then.
    let watch = Task {
      try await Task.sleep(for: Patience.wait)
      Issue.record("no answer to \(request) within \(Patience.wait): the service is killed")
      process.signal(SIGKILL)
    }
    defer { watch.cancel() }
    try await onBlockingThread("client") {
      var line: [UInt8] = []
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 1)
      defer { buffer.deallocate() }
      while true {
        let count = try output.read(into: buffer)
        guard count > 0 else { throw TestFailure("the service has ended") }
        var rest = buffer[..<count]
        while let end = rest.firstIndex(of: 0x0A) {
          line += rest[..<end]
          rest = rest[(end + 1)...]
          let message = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] ?? [:]
          line = []
          take(message)
          if message["id"] as? Int == request, message["method"] == nil { return }
        }
        line += rest
      }
    }
  }

  /// Sends nothing more, and reads nothing.
  ///
  /// - Returns: how the service has ended.
  func leave() async throws -> ChildProcess.ExitStatus {
    try input.close()
    let status = try await process.waitForExit().status
    try output.close()
    return status
  }

  func end() async throws {
    try send(#"{"jsonrpc":"2.0","id":3,"method":"shutdown"}"#)
    try send(#"{"jsonrpc":"2.0","method":"exit"}"#)
    _ = try await stream("", until: 3)
    try input.close()
    #expect(try await process.waitForExit().succeeded)
    try output.close()
  }
}
