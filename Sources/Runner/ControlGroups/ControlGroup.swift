package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
package import SystemPackage

/// The control group of one container: a directory in v2's hierarchy, or one in each of v1's.
package struct ControlGroup: Hashable, Sendable {
  package struct Part: Hashable, Sendable {
    package var controllers: [ControlGroupController]
    package var directory: FilePath
  }

  package var isUnified: Bool
  package var parts: [Part]
  /// Processor time in microseconds that its processes had used when they were moved into it; nil for one that was there first.
  package var earlierCPUTime: UInt64?

  /// Where a controller's files are; nil where the group does not have it.
  func directory(_ controller: ControlGroupController) -> FilePath? {
    isUnified
      ? parts.first?.directory : parts.first { $0.controllers.contains(controller) }?.directory
  }

  private var unifiedDirectory: FilePath? { isUnified ? parts.first?.directory : nil }

  /// The path that is shown to people: v2's, or that of the memory controller.
  package var shownPath: String? {
    (directory(.memory) ?? parts.first?.directory)?.string
  }

  // MARK: Files

  func read(_ controller: ControlGroupController, _ file: String) -> String? {
    guard let directory = directory(controller) else { return nil }
    return Self.read(directory.appending(file))
  }

  /// Also files longer than a page.
  static func read(_ path: FilePath) -> String? { try? readSmallFile(path, limit: 1 << 20) }

  static func write(_ path: FilePath, _ value: String) throws {
    let file = try FileDescriptor.open(path, .writeOnly, options: [.closeOnExec, .noFollow])
    // One write is one command; an empty text takes a newline.
    try file.closeAfter { _ = try file.writeAll((value.isEmpty ? "\n" : value).utf8) }
  }

  /// The file that takes a setting; nil where this kernel, or what was delegated, has none.
  func path(of setting: ControlGroupSetting) -> FilePath? {
    guard let directory = setting.controller.map(directory) ?? unifiedDirectory else { return nil }
    return Self.fileNames(setting.file).map { directory.appending($0) }.first {
      $0.withPlatformString { access($0, F_OK) } == 0
    }
  }

  /// The weights of the BFQ scheduler have names of their own.
  private static func fileNames(_ name: String) -> [String] {
    switch name {
    case "io.weight": [name, "io.bfq.weight"]
    case "blkio.weight": [name, "blkio.bfq.weight"]
    default: [name]
    }
  }

  /// Writes a new group's limits, and leaves out what the machine has no file for. With v2, which devices may be used is a
  /// program's to say, that stays as long as the group.
  ///
  /// - Throws: as `apply` of settings.
  func begin(_ resources: RuntimeSpec.Resources) throws(EngineError) {
    try apply(resources.settings(unified: isUnified))
    guard isUnified, let rules = resources.devices, !rules.isEmpty, let directory = parts.first?.directory,
      DeviceProgram.isPossible
    else { return }
    do { try DeviceProgram(rules).attach(to: directory) } catch {
      throw EngineError("set which devices may be used", error, subject: "devices")
    }
  }

  /// Writes other limits, but for the rules of devices with v2, which are a new group's.
  ///
  /// - Throws: as `apply` of settings.
  package func apply(_ resources: RuntimeSpec.Resources) throws(EngineError) {
    try apply(resources.settings(unified: isUnified))
  }

  /// Looks whether the processes would have memory enough. v1 refuses a limit below what they use; v2 would kill them.
  ///
  /// - Throws: `conflict`.
  package func checkMemory(_ resources: RuntimeSpec.Resources) throws(EngineError) {
    guard isUnified, let limit = resources.memory?.limit, limit > 0,
      let used = read(.memory, "memory.current").flatMap({ Int64($0.prefix { $0 != "\n" }) })
    else { return }
    // What is a copy of files on a disk, the kernel can give up.
    let cached = (read(.memory, "memory.stat") ?? "").split(separator: "\n").reduce(Int64(0)) { sum, line in
      let words = line.split(separator: " ")
      guard words.count == 2, ["active_file", "inactive_file"].contains(words[0]), let size = Int64(words[1])
      else { return sum }
      return sum.addingReportingOverflow(size).partialValue
    }
    guard used - min(cached, used) > limit else { return }
    throw EngineError(
      .conflict, "set memory.max to \(limit)", subject: "memory.limit",
      hint: "the container uses more than that now")
  }

  /// The members of a configuration that have no file here.
  package func unapplied(_ resources: RuntimeSpec.Resources) -> [String] {
    var members: [String] = []
    for setting in resources.settings(unified: isUnified)
    where !setting.isOptional && path(of: setting) == nil && !members.contains(setting.member) {
      members.append(setting.member)
    }
    return members
  }

  /// - Throws: `invalidArgument` or `unsupported` for files of v2 that a configuration names and that are not here: who names one
  ///   counts on it.
  package func checkUnified(_ resources: RuntimeSpec.Resources) throws(EngineError) {
    try resources.checkUnified()
    let prefix = "unified."
    guard isUnified, let missing = unapplied(resources).first(where: { $0.hasPrefix(prefix) }) else { return }
    throw EngineError(
      .unsupported, "cannot set \(missing.dropFirst(prefix.count)): the control group has no such file",
      subject: "linux.resources.unified",
      hint:
        "this kernel does not have it, or its controller is not in the cgroup.controllers of the groups above"
    )
  }

  /// Writes settings, and leaves out what the machine has no file for.
  ///
  /// - Throws: `invalidArgument` or `conflict` with the member of the configuration as the subject; those before it are written.
  func apply(_ settings: [ControlGroupSetting]) throws(EngineError) {
    var later: [ControlGroupSetting] = []
    for setting in settings {
      guard let path = path(of: setting) else { continue }
      do {
        try Self.write(path, setting.value)
      } catch let error as Errno where error == .invalidArgument && setting.file == "memory.limit_in_bytes" {
        // Not above the limit of memory and swap together: that one has to rise first.
        later.append(setting)
      } catch {
        throw Self.refused(setting, error)
      }
    }
    for setting in later {
      guard let path = path(of: setting) else { continue }
      do { try Self.write(path, setting.value) } catch { throw Self.refused(setting, error) }
    }
  }

  private static func refused(_ setting: ControlGroupSetting, _ error: any Error) -> EngineError {
    var refused = EngineError(
      "set \(setting.file) to \(setting.value.isEmpty ? "nothing" : setting.value)", wrapping: error)
    refused.subject = setting.member
    switch error as? Errno {
    case .resourceBusy:
      refused.kind = .conflict
      refused.hint = "the container uses more than that now"
    case .outOfRange, .noSuchAddressOrDevice, Errno(rawValue: ENODEV): refused.kind = .invalidArgument
    default: break
    }
    return refused
  }

  // MARK: Processes

  /// In all parts, so that a process that is about to be moved is not missed, and in what the container has made below.
  package func processes() -> Set<Int32> {
    var found: Set<Int32> = []
    for part in parts { Self.addProcesses(of: part.directory, to: &found) }
    return found
  }

  private static func addProcesses(of directory: FilePath, to found: inout Set<Int32>) {
    for line in (read(directory.appending("cgroup.procs")) ?? "").split(separator: "\n") {
      if let pid = Int32(line), pid > 0 { found.insert(pid) }
    }
    // A directory's links are `.`, its own name and each directory's `..`: most have none below.
    guard hasSubdirectories(directory) else { return }
    for name in (try? directoryEntries(directory)) ?? [] {
      let inner = directory.appending(name)
      if fileKind(inner) == .directory { addProcesses(of: inner, to: &found) }
    }
  }

  private static func hasSubdirectories(_ directory: FilePath) -> Bool {
    var status = stat()
    return lstat(directory.string, &status) != 0 || status.st_nlink > 2
  }

  /// Kills all processes: at once, with whatever is below it, where the kernel does that itself (v2, Linux 5.14), and elsewhere
  /// also those that another look finds.
  package func killAll() {
    if isUnified, let part = parts.first,
      (try? Self.write(part.directory.appending("cgroup.kill"), "1")) != nil
    {
      return
    }
    thaw()
    var killed: Set<Int32> = []
    for _ in 0..<100 {
      let found = processes().subtracting(killed)
      if found.isEmpty { return }
      for pid in found { kill(pid, SIGKILL) }
      killed.formUnion(found)
    }
  }

  /// Moves a process with all its threads; one that has ended is fine.
  func move(_ pid: Int32) throws {
    for part in parts {
      do { try Self.write(part.directory.appending("cgroup.procs"), "\(pid)") } catch Errno.noSuchProcess {}
    }
  }

  /// Kills what is left in it and removes it. Blocks, for the moment that the last processes take to end.
  ///
  /// - Throws: `EngineError.inUse` where something stays for more than a few seconds.
  package func remove() throws(EngineError) {
    // Below it, a container with a hierarchy of its own may have made more.
    for part in parts {
      var pause: UInt32 = 500
      while let error = Self.removeTree(part.directory) {
        guard error == .resourceBusy, pause < 2_000_000 else {
          throw EngineError(
            "remove the control group", SystemError("rmdir", error, on: part.directory.string))
        }
        thaw()
        killAll()
        usleep(pause)
        pause *= 2
      }
    }
  }

  /// Nil when it is gone.
  private static func removeTree(_ directory: FilePath) -> Errno? {
    if directory.withPlatformString({ rmdir($0) }) == 0 || errno == ENOENT { return nil }
    let failure = Errno(rawValue: errno)
    guard failure == .resourceBusy else { return failure }
    for name in (try? directoryEntries(directory)) ?? [] {
      let inner = directory.appending(name)
      if fileKind(inner) == .directory, let error = removeTree(inner) { return error }
    }
    return directory.withPlatformString { rmdir($0) } == 0 || errno == ENOENT ? nil : Errno(rawValue: errno)
  }
}
