import EngineErrors
import Glibc
import LinuxSystem
import Networking
import Runner
import Synchronization
import SystemPackage

/// The network namespace that an ordinary user's networks are in, with pasta(1) as its way to the outside: the user may make
/// bridges and rules there as root may in the host's.
///
/// A keeper, one process for all services, holds it while anybody needs it: services from their first use of it on, and
/// shims of containers that have networks. One that was killed is replaced by the next use.
final class UserNetwork: Sendable {
  private let directory: FilePath
  private let runner: Runner
  /// In that namespace.
  let host: HostNetwork
  private let used: Mutex<Use?> = Mutex(nil)

  private struct Use {
    /// Its pid.
    var keeper: Int32
    var users: FileDescriptor
  }

  /// - Parameter runDirectory: of the engine; what this has is below it.
  init(runDirectory: FilePath, runner: Runner) {
    let directory = runDirectory.appending("network")
    self.directory = directory
    self.runner = runner
    host = HostNetwork { try Self.open(directory) }
  }

  deinit { used.withLock { use in _ = use.map { try? $0.users.close() } } }

  /// What says that somebody needs it, by having it open for writing.
  var users: FilePath { directory.appending("users") }
  /// The same while there is no way to the outside yet.
  private var starting: FilePath { directory.appending("starting") }

  /// Sees to it that the namespace is there.
  ///
  /// - Returns: whether it is another one than before, in which nothing is yet.
  /// - Throws: `unsupported` where pasta is not installed, or cannot do its work here.
  func prepare() async throws(EngineError) -> Bool {
    do {
      if let use = used.withLock({ $0 }), try keeper() == use.keeper { return false }
      try makeDirectories(directory, mode: 0o700)
      let lock = try await FileLock.acquire(directory.appending("change.lock"))
      defer { lock.release() }
      let living = try await wholeKeeper()
      let keeper = if let living { living } else { try await start() }
      let users = try FileDescriptor.open(users, .writeOnly, options: [.closeOnExec, .nonBlocking])
      Failpoint.userNetworkHeld.pass()
      let former = used.withLock { use in
        defer { use = Use(keeper: keeper, users: users) }
        return use
      }
      try? former?.users.close()
      host.reopen()
      return living == nil
    } catch {
      throw EngineError("make the user's network", wrapping: error)
    }
  }

  /// Whether somebody keeps it. What a service left of it that was killed before it was whole is ended.
  func isThere() async throws -> Bool {
    guard let keeper = try keeper() else { return false }
    if used.withLock({ $0?.keeper }) == keeper { return true }
    let lock = try await FileLock.acquire(directory.appending("change.lock"))
    defer { lock.release() }
    return try await wholeKeeper() != nil
  }

  /// Nil where nobody does.
  private func keeper() throws -> Int32? {
    guard case .process(let pid)? = try LifeLock.holder(of: directory.appending("lock")) else { return nil }
    return pid
  }

  /// The same under the lock. One whose service was killed before pasta was ready is ended: nobody else waits for that.
  private func wholeKeeper() async throws -> Int32? {
    guard let pid = try keeper() else { return nil }
    if access(users.string, F_OK) == 0 { return pid }
    guard let process = try? ProcessDescriptor(pid: pid) else { return nil }
    // Still the holder: so the descriptor is that one's and not a later process's with its number.
    guard try keeper() == pid else { return nil }
    try process.signal(SIGKILL)
    try await DescriptorWatcher.shared.readable(process.descriptor)
    return nil
  }

  private static func open(_ directory: FilePath) throws -> FileDescriptor {
    let lock = directory.appending("lock")
    guard case .process(let pid)? = try LifeLock.holder(of: lock) else {
      throw EngineError(.conflict, "the user's network has just ended", retriable: true)
    }
    let namespace = try NetworkNamespace.open(FilePath("/proc/\(pid)/ns/net"))
    // Still the holder: so the namespace is that one's and not a later process's with its number.
    guard try LifeLock.holder(of: lock) == .process(pid) else {
      try? namespace.close()
      throw EngineError(.conflict, "the user's network has just ended", retriable: true)
    }
    return namespace
  }

  /// Where the machine has no way to the outside, the network is there without one, until the machine has: pasta, which does not
  /// start before, is tried again and again.
  private func start() async throws -> Int32 {
    let program = try Self.check()
    let hasWayOut = Self.hasWayOut
    let namespace = try await onBlockingThread("network") {
      try NetworkNamespace.enterNew()
      return try NetworkNamespace.current()
    }
    defer { try? namespace.close() }
    Failpoint.userNetworkMade.pass()
    // The shims of containers that run have it open, and count as the next keeper's users.
    if hasWayOut {
      _ = try renameIfPresent(users, to: starting)
    } else if try !renameIfPresent(starting, to: users), !fileExists(users) {
      try call("mkfifo", on: users.string) { mkfifo(users.string, 0o600) }
    }
    let words = try makePipe()
    defer { try? words.read.close() }
    do {
      defer { try? words.write.close() }
      try await runner.keepNetwork(
        namespace, in: directory, program: Self.arguments(program), output: words.write)
    }
    Failpoint.userNetworkKept.pass()
    if hasWayOut { try await onBlockingThread("pasta") { try Self.awaitReadiness(words.read) } }
    guard let pid = try keeper() else {
      throw EngineError(.internal, "the keeper of the user's network ended unexpectedly")
    }
    // Last: one with this name is whole.
    if hasWayOut { try rename(starting, to: users) }
    Failpoint.userNetworkReady.pass()
    return pid
  }

  // MARK: pasta

  /// In a range that leads nowhere else by definition: the way to the outside, and pasta's own end of it.
  private static let address4 = "169.254.84.2"
  private static let gateway4 = "169.254.84.1"
  /// Leads to the host's own resolver.
  static let resolver = "169.254.84.3"
  private static let address6 = "fd84:c0de::2"
  private static let gateway6 = "fd84:c0de::1"

  /// Looks whether what a user's network needs is there; nothing is started.
  ///
  /// - Returns: pasta's path.
  /// - Throws: `unsupported` with what is missing.
  @discardableResult
  static func check() throws(EngineError) -> String {
    let program = try program()
    do {
      try FileDescriptor.open("/dev/net/tun", .readWrite, options: .closeOnExec).close()
    } catch {
      throw EngineError(
        .unsupported, "cannot make networks for an ordinary user: /dev/net/tun cannot be opened",
        subject: "/dev/net/tun", causes: ["\(error)"], hint: "let the user open it (chmod 0666 /dev/net/tun)")
    }
    return program
  }

  /// Whether the machine has a default route: pasta does not start without.
  private static var hasWayOut: Bool {
    func routes(_ name: String) -> [[Substring]] {
      ((try? readSmallFile(FilePath("/proc/net/\(name)"), limit: 1 << 20)) ?? "").split(separator: "\n").map {
        $0.split(whereSeparator: { $0 == " " || $0 == "\t" })
      }
    }
    // The interface, the destination, …, flags (RTF_UP), …, the mask; and the destination, its length, …, the interface.
    return routes("route").contains { $0.count > 7 && $0[1] == "00000000" && $0[7] == "00000000" }
      || routes("ipv6_route").contains {
        $0.count > 9 && $0[1] == "00" && $0[0].allSatisfy { $0 == "0" } && $0[9] != "lo"
      }
  }

  private static func program() throws(EngineError) -> String {
    for directory in ["/usr/bin", "/bin", "/usr/local/bin"] where access("\(directory)/pasta", X_OK) == 0 {
      return "\(directory)/pasta"
    }
    throw EngineError(
      .unsupported, "cannot make networks for an ordinary user: pasta is not installed", subject: "pasta",
      hint: "install it; Debian's package is passt")
  }

  /// Published ports are not its: the forwarders have them.
  private static func arguments(_ program: String) -> [String] {
    [
      program, "--foreground", "--quiet", "--config-net", "--no-map-gw", "--no-netns-quit",
      "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--ns-ifname", "up0",
      "--address", address4, "--netmask", "30", "--gateway", gateway4,
      "--address", address6, "--gateway", gateway6, "--dns-forward", resolver,
      // It writes its pid when it is ready. By descriptor, since it takes the right to look at others away from itself.
      "--pid", "/proc/self/fd/1", "--netns", "/proc/self/fd/0",
    ]
  }

  /// Blocks until it is.
  private static func awaitReadiness(_ words: FileDescriptor) throws {
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    let deadline = ContinuousClock.now + .seconds(120)
    while ContinuousClock.now < deadline, text.count < 64 << 10 {
      var entry = pollfd(fd: words.rawValue, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 1000) > 0 else { continue }
      let count = try chunk.withUnsafeMutableBytes { try words.read(into: $0) }
      if count == 0 { break }
      text += chunk[..<count]
      let lines = text.split(separator: UInt8(ascii: "\n"))
      if lines.contains(where: { $0.allSatisfy { (48...57).contains($0) } }), text.last == UInt8(ascii: "\n")
      {
        return
      }
    }
    let words = String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    throw EngineError(
      .unsupported, "cannot make networks for an ordinary user: pasta did not start", subject: "pasta",
      causes: words.filter { !$0.hasPrefix("Failed to send") }.suffix(5),
      hint: "run pasta by hand to see what it lacks, or install a newer one")
  }
}
