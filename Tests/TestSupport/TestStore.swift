import Foundation
import Glibc
package import RPCModel
package import RPCTransport
import Synchronization
package import SystemPackage
import Testing

/// A store of one test, and the services that use it.
package struct TestStore: Sendable {
  package let account: Account
  /// The test's own, owned by the account.
  package let directory: FilePath
  /// Where its services are; nil for the tests' own.
  package var network: TestNetwork?
  /// Files that they find in the places of the machine's, by these; takes root.
  package var replaced: [String: FilePath] = [:]
  private let services = StartedServices()

  package init(account: Account, directory: FilePath) {
    self.account = account
    self.directory = directory
  }

  package var store: FilePath { directory.appending("store") }
  package var run: FilePath { directory.appending("run") }

  /// Starts a service and opens its session.
  ///
  /// - Parameters:
  ///   - failpoint: kills it there.
  ///   - variables: of its environment, as `NAME=value`.
  package func service(
    _ client: String = "tests", path: String? = nil, failpoint: String? = nil, variables: [String] = []
  ) async throws -> TestService {
    let service = try await uninitializedService(path: path, failpoint: failpoint, variables: variables)
    _ = try await service.process.initialize(ProgramInfo(name: client))
    return service
  }

  /// Starts a service that has been told nothing.
  package func uninitializedService(
    path: String? = nil, failpoint: String? = nil, variables: [String] = []
  ) async throws -> TestService {
    let notifications = NotificationLog()
    let services = services
    let process = try ServiceProcess(
      command: launcher + [Programs.directory.get().appending("coracle").string],
      arguments: ["--store", store.string, "--run", run.string],
      environment: environment(path: path) + (failpoint.map { ["CORACLE_FAILPOINT=\($0)"] } ?? [])
        + variables,
      onNotification: { notifications.add($0) }, onEnd: { notifications.finish() })
    services.add(process)
    return TestService(process: process, notifications: notifications)
  }

  /// Kills all services that tests have with this store and that are still there: what waits for one fails.
  /// Those that a test starts after it are killed at once.
  fileprivate func killServices() { for service in services.end() { service.kill(SIGKILL) } }

  /// The same, and waits for their ends: what is left of them would write to a store that is being removed, and hold the
  /// runner's output open.
  fileprivate func endServices() async {
    killServices()
    for service in services.all { _ = await service.waitForExit() }
  }

  private var launcher: [String] {
    let mounts = replaced.map { "mount --bind '\($1)' '\($0)'" }.joined(separator: "; ")
    let places =
      mounts.isEmpty
      ? [] : ["/usr/bin/unshare", "--mount", "--", "/bin/sh", "-ec", mounts + "; exec \"$@\"", "sh"]
    return (network?.launcher ?? []) + places + account.launcher
  }

  private func environment(path: String? = nil) -> [String] {
    let record = ProcessInfo.processInfo.environment["CORACLE_RECORD"]
    return ["PATH=\(path ?? "/usr/sbin:/usr/bin:/sbin:/bin")", "HOME=\(directory)", "LANG=C.UTF-8"]
      + (record.map { ["CORACLE_RECORD=\($0)"] } ?? [])
  }

  /// Runs a program of the package as the account, with this store.
  package func runProgram(_ name: String, _ arguments: [String], input: ChildProcess.Input = .empty)
    async throws
    -> ChildProcess.Result
  {
    try await run([try Programs.directory.get().appending(name).string] + arguments, input: input)
  }

  /// Runs a command as the account, with this store and with the programs of the package in its PATH.
  package func run(_ command: [String], input: ChildProcess.Input = .empty) async throws
    -> ChildProcess.Result
  {
    let path = "\(try Programs.directory.get()):/usr/sbin:/usr/bin:/sbin:/bin"
    let variables =
      environment(path: path) + ["CORACLE_STORE=\(store)", "CORACLE_RUN=\(run)", "NO_COLOR=1"]
    return try await ChildProcess.run(
      launcher + ["/usr/bin/env", "-i"] + variables + command, workingDirectory: directory, input: input)
  }

  /// A root file system with busybox in it, as a tar archive that the account can read.
  ///
  /// - Parameter change: commands that change it, in its directory.
  package func busyboxArchive(_ change: String = "") async throws -> FilePath {
    let archive = directory.appending("busybox.tar")
    let script = """
      set -e
      root=$(mktemp -d)
      chmod 755 "$root"
      mkdir -p "$root"/bin "$root"/etc "$root"/tmp "$root"/home
      cp /bin/busybox "$root"/bin/
      for name in sh cat echo true false ls id sleep mkdir rm touch ln env hostname pwd kill ps head wc sync dd; do
        ln -s busybox "$root/bin/$name"
      done
      echo root:x:0:0:root:/root:/bin/sh > "$root"/etc/passwd
      echo user:x:1000:1000:user:/home:/bin/sh >> "$root"/etc/passwd
      printf 'root:x:0:\\nuser:x:1000:\\nstaff:x:50:user\\n' > "$root"/etc/group
      (cd "$root"; \(change.isEmpty ? ":" : change))
      tar --owner 0 --group 0 --numeric-owner -C "$root" -cf "$1" .
      chmod 644 "$1"
      rm -rf "$root"
      """
    let result = try await ChildProcess.run(["sh", "-c", script, "sh", archive.string])
    guard result.succeeded else { throw TestFailure("cannot make an archive: \(result.errorText)") }
    return archive
  }
}

/// The services that have been started with a store.
private final class StartedServices: Sendable {
  private let state = Mutex<(services: [ServiceProcess], areEnded: Bool)>(([], false))

  var all: [ServiceProcess] { state.withLock { $0.services } }

  func add(_ service: ServiceProcess) {
    let isLate = state.withLock {
      $0.services.append(service)
      return $0.areEnded
    }
    if isLate { service.kill(SIGKILL) }
  }

  func end() -> [ServiceProcess] {
    state.withLock {
      $0.areEnded = true
      return $0.services
    }
  }
}

package struct TestFailure: Error, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}

/// Runs `body` with an empty store of an account; its services are killed where it is not done in time.
package func withTestStore<Result: Sendable>(
  _ account: Account, patience: Duration = Patience.test, _ body: @Sendable (TestStore) async throws -> Result
) async throws -> Result {
  try await Programs.prepare()
  return try await TestPlaces.withPlace {
    try await withTemporaryDirectory { directory in
      try account.own(directory)
      let store = TestStore(account: account, directory: directory)
      let watch = Task {
        try await Task.sleep(for: patience)
        Issue.record("not done after \(patience): its services are killed")
        store.killServices()
      }
      defer { watch.cancel() }
      let outcome: Swift.Result<Result, any Error>
      do { outcome = .success(try await body(store)) } catch { outcome = .failure(error) }
      await store.endServices()
      if account == .ordinary, geteuid() != 0 {
        // Files of subordinate ids can only be removed by whoever may give them.
        _ = try await ChildProcess.run([
          "unshare", "--map-root-user", "--map-auto", "rm", "-rf", store.store.string, store.run.string,
        ])
      }
      return try outcome.get()
    }
  }
}

/// One service and all that it has said.
package struct TestService: Sendable {
  package let process: ServiceProcess
  package let notifications: NotificationLog

  package func send<Request: RPCRequest>(_ type: Request.Type, _ params: Request.Params) async throws
    -> Request.Result
  {
    try await process.connection.send(type, params)
  }

  /// Imports busybox as `busybox:1`.
  ///
  /// - Parameter change: commands that change its root, in its directory.
  package func importBusybox(_ store: TestStore, _ change: String = "") async throws -> ImageSummary {
    try await send(
      ImageImport.self, .init(path: try await store.busyboxArchive(change).string, reference: "busybox:1")
    ).image
  }

  package struct Output: Sendable {
    package var stdout = ""
    package var stderr = ""
    package var container: ContainerSummary
    package var exit: RPCModel.ExitStatus
  }

  /// Runs a container to its end.
  package func run(
    _ image: String, _ command: [String], input: [UInt8]? = nil,
    _ change: (inout ContainerRun.Params) -> Void = { _ in }
  ) async throws -> Output {
    let connection = process.connection
    let (out, error) = (connection.receiver(credit: 1000), connection.receiver(credit: 1000))
    var params = ContainerRun.Params(
      image: image, command: command,
      streams: OutputStreams(stdout: out.id, stderr: error.id, initialCredit: 1000))
    change(&params)
    let sender = input.map { _ in connection.sender() }
    params.stdin = sender?.id
    let feeding = Task {
      if let sender, let input {
        _ = try await sender.send(input)
        await sender.close()
      }
    }
    defer { feeding.cancel() }
    async let outText = out.text()
    async let errorText = error.text()
    do {
      let result = try await send(ContainerRun.self, params)
      guard let exit = result.exit else { throw TestFailure("an attached run without an exit") }
      return Output(stdout: await outText, stderr: await errorText, container: result.container, exit: exit)
    } catch {
      out.end(nil)
      throw error
    }
  }

  /// Runs a container of `busybox:1` to its end.
  package func run(
    _ command: [String], input: [UInt8]? = nil, _ change: (inout ContainerRun.Params) -> Void = { _ in }
  ) async throws -> Output {
    try await run("busybox:1", command, input: input, change)
  }

  /// Runs one more process in a container to its end.
  package func exec(_ container: String, _ command: [String], user: String? = nil, input: [UInt8]? = nil)
    async throws
    -> (stdout: String, exit: RPCModel.ExitStatus)
  {
    let out = process.connection.receiver(credit: 1000)
    let sender = input.map { _ in process.connection.sender() }
    async let text = out.text()
    let feeding = Task {
      if let sender, let input {
        _ = try await sender.send(input)
        await sender.close()
      }
    }
    defer { feeding.cancel() }
    do {
      let result = try await send(
        ContainerExec.self,
        .init(
          container: container, command: command, user: user,
          streams: OutputStreams(stdout: out.id, initialCredit: 1000), stdin: sender?.id))
      guard let exit = result.exit else { throw TestFailure("a command without an exit") }
      return (await text, exit)
    } catch {
      out.end(nil)
      throw error
    }
  }

  package func logs(_ container: String, follow: Bool = false, tail: Int? = nil) async throws -> String {
    let out = process.connection.receiver(credit: 1 << 20)
    async let text = out.text()
    _ = try await send(
      ContainerLogs.self,
      .init(container: container, follow: follow, tail: tail, streams: OutputStreams(stdout: out.id)))
    return await text
  }
}

extension StreamReceiver {
  /// All that comes, as text; each chunk is granted again.
  package func text() async -> String { String(decoding: await bytes(), as: UTF8.self) }

  /// All that comes; each chunk is granted again.
  package func bytes() async -> [UInt8] {
    var bytes: [UInt8] = []
    for await chunk in chunks {
      bytes += chunk
      grant(chunk.count)
    }
    return bytes
  }
}
