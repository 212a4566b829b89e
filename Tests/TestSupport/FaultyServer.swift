import Glibc
import LinuxSystem
package import OCIModel
import Synchronization
internal import SystemPackage

/// An HTTP server on a free loopback port that answers each request as a test has scripted it, faults
/// included. It keeps connections open between requests, as registries do.
package final class FaultyServer: Sendable {
  /// A request as it arrived.
  package struct Request: Sendable {
    package var method: String
    /// Path and query.
    package var target: String
    /// Names in lower case.
    package var fields: [String: String]
    package var body: [UInt8]
  }

  private struct State {
    var routes: [String: [FaultyResponse]] = [:]
    var requests: [Request] = []
    var connections = 0
    var open: Set<Int32> = []
    var isStopped = false
    var isListening = true
  }

  /// Host and port, as image names begin.
  package let host: String
  private let listener: Int32
  private let state = Mutex(State())
  /// Told of each request that has arrived whole.
  private let arrivals: AsyncStream<Request>
  private let arrived: AsyncStream<Request>.Continuation

  fileprivate init() throws {
    listener = try call("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    try withUnsafeMutablePointer(to: &address) {
      try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = try call("bind") { bind(descriptor, address, length) }
        _ = try call("listen") { listen(descriptor, 64) }
        _ = try call("getsockname") { getsockname(descriptor, address, &length) }
      }
    }
    host = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
    (arrivals, arrived) = AsyncStream.makeStream()
  }

  /// Scripts the answers to a method and target, one a request; the last one stays.
  ///
  /// A request that nothing is scripted for gets 404 without a body. The target's query is left out.
  package func on(_ method: String, _ path: String, _ responses: FaultyResponse...) {
    state.withLock { $0.routes["\(method) \(path)"] = responses }
  }

  /// All requests so far, in the order they arrived.
  package var requests: [Request] { state.withLock { $0.requests } }

  /// Waits for a request that has not been waited for, and has arrived whole.
  ///
  /// - Throws: `TestFailure` where none like it comes.
  package func arrival(_ method: String = "GET") async throws {
    do {
      try await withPatience(Patience.wait) { [arrivals] in
        for await request in arrivals where request.method == method { break }
      }
    } catch {
      throw TestFailure("no \(method) has come; instead: \(requests.map { "\($0.method) \($0.target)" })")
    }
  }

  /// How many connections have been accepted.
  package var connections: Int { state.withLock { $0.connections } }

  package func reference(_ repository: String, tag: String? = "latest", digest: Digest? = nil) -> Reference {
    Reference(registry: host, repository: repository, tag: tag, digest: digest)
  }

  /// On threads alone: tests that reckon with a server that is silent must not meet one that waits for its turn among all
  /// other tests' tasks.
  fileprivate func run() throws {
    _ = try WorkerThread("faulty-accept") {
      while true {
        let accepted = accept(self.listener, nil, nil)
        if accepted < 0, [EINTR, ECONNABORTED, EMFILE, ENFILE].contains(errno) {
          // Descriptors come back as other tests end.
          usleep(10_000)
          continue
        }
        guard accepted >= 0, self.register(accepted) else { return self.closeListener() }
        do {
          _ = try WorkerThread("faulty-serve") { self.serve(accepted) }
        } catch {
          self.end(accepted)
        }
      }
    }
  }

  /// Ends all connections and the threads that serve them.
  fileprivate func stop() {
    state.withLock { state in
      state.isStopped = true
      for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
      // Once it is closed, the number may be another test's.
      if state.isListening { shutdown(listener, Int32(SHUT_RDWR)) }
    }
    arrived.finish()
  }

  private func closeListener() {
    state.withLock { state in
      state.isListening = false
      close(listener)
    }
  }

  private func register(_ descriptor: Int32) -> Bool {
    state.withLock { state in
      guard !state.isStopped else {
        close(descriptor)
        return false
      }
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      state.connections += 1
      state.open.insert(descriptor)
      return true
    }
  }

  private func serve(_ descriptor: Int32) {
    var connection = FaultyConnection(descriptor: descriptor)
    while let request = connection.readRequest() {
      let response = state.withLock { state -> FaultyResponse in
        state.requests.append(request)
        let path = request.target.split(separator: "?").first.map(String.init) ?? ""
        let key = "\(request.method) \(path)"
        guard let script = state.routes[key], let next = script.first else {
          return FaultyResponse(status: 404)
        }
        if script.count > 1 { state.routes[key] = Array(script.dropFirst()) }
        return next
      }
      arrived.yield(request)
      guard connection.send(response, to: request) else { break }
    }
    end(descriptor)
  }

  private func end(_ descriptor: Int32) {
    // Under the lock, so that `stop` never shuts down a descriptor that is somebody else's by then.
    state.withLock { state in
      state.open.remove(descriptor)
      // Ends the connection also where a child that was started meanwhile holds a copy of it.
      shutdown(descriptor, Int32(SHUT_RDWR))
      close(descriptor)
    }
  }
}

/// Starts a server, runs `body` with it and stops it.
package func withFaultyServer<Result: Sendable>(
  _ body: @Sendable (FaultyServer) async throws -> Result
) async throws -> Result {
  let server = try FaultyServer()
  try server.run()
  defer { server.stop() }
  return try await body(server)
}
