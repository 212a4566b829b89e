import CLinux
package import EngineErrors
import Glibc
package import LinuxSystem
package import SystemPackage

/// One process that is being made for an OCI runtime's caller, as its creator sees it. Everything blocks; the creator has one
/// thread.
package final class BundleProcess {
  package enum Event: Hashable, Sendable {
    /// The process is there, by its number here; it is a child of this process.
    case cloned(pid: Int32)
    /// It waits at `awaitCreator`, for `go`.
    case waiting
    /// All is made: it waits for `releaseStart`.
    case created
    /// The command has been executed.
    case executed
  }

  /// The shim that clones it; it belongs to the caller's own session until then.
  package let shim: Int32
  private let plan: LaunchPlan
  private let status: StatusChannel
  private var pid: Int32?

  fileprivate init(shim: Int32, plan: LaunchPlan, status: StatusChannel) {
    self.shim = shim
    self.plan = plan
    self.status = status
  }

  /// The word that the process, or its shim, waits for.
  package func go() throws(EngineError) {
    do { try status.go() } catch { throw EngineError("go on with the container's process", error) }
  }

  /// Waits for what comes next.
  ///
  /// - Throws: `EngineError` that names the operation which failed; the process then ends.
  package func next() throws(EngineError) -> Event {
    let report: clinux_report?
    do { report = try status.receive() } catch {
      throw EngineError("hear of the container's process", error)
    }
    guard let report else { return .executed }
    switch report.kind {
    case CLINUX_REPORT_CLONED.rawValue:
      // It has nothing more to do.
      waitpid(shim, nil, 0)
      pid = report.pid
      return .cloned(pid: report.pid)
    case CLINUX_REPORT_WAITING.rawValue: return .waiting
    case CLINUX_REPORT_CREATED.rawValue: return .created
    default:
      bury()
      throw CommandFailure.error(report, plan)
    }
  }

  /// A process that has failed ends; as a zombie of somebody else's it would hold up the end of its pid namespace.
  private func bury() {
    if pid == nil, case .cloned? = try? next() {}
    if let pid { waitpid(pid, nil, 0) } else { waitpid(shim, nil, 0) }
  }
}

/// Starts processes of containers whose caller keeps them: it gives them its own standard streams and gets them as children,
/// through its subreaper, when this process ends.
package struct BundleLauncher {
  private let program: ShimProgram

  /// - Parameter shim: the `coracle-shim` executable.
  package init(shim: FilePath) { program = ShimProgram(path: shim) }

  package enum Kind {
    /// A container's first process. `directory` has the FIFO `exec.fifo`, and the file that names its control groups.
    case first(directory: FilePath)
    /// A further one, in these namespaces of the process behind the pidfd, and in its control groups.
    case further(LaunchPlan.Namespaces, of: ProcessDescriptor, directory: FilePath)
  }

  /// Begins to make a process.
  ///
  /// - Parameters:
  ///   - streams: its 0, 1 and 2.
  ///   - preserved: what it has from 3 on, in their order; at most 64.
  package func launch(
    _ kind: Kind, _ plan: LaunchPlan, streams: [FileDescriptor], preserved: [FileDescriptor] = []
  ) throws(EngineError) -> BundleProcess {
    var request: ShimRequest
    var descriptors = streams
    var target: ProcessDescriptor?
    switch kind {
    case .first(let directory):
      request = ShimRequest(
        mode: CLINUX_MODE_RUNTIME, runDirectory: directory, plan: plan, namespaces: plan.namespaces)
    case .further(let namespaces, let process, let directory):
      request = ShimRequest(
        mode: CLINUX_MODE_RUNTIME_EXEC, runDirectory: directory, plan: plan, namespaces: namespaces)
      target = process
    }
    // Where there is no such file the process is in the caller's.
    request.flags |= CLINUX_REQUEST_GROUPS.rawValue
    request.preserved = preserved.count
    let bytes = try request.encoded()
    do {
      let memory = try ShimRequest.memory(bytes)
      defer { try? memory.close() }
      let status = try StatusChannel()
      let executable = try program.executable()
      let pid = try status.givingShimEnd { end in
        descriptors += [memory, end] + preserved
        if let target { descriptors.append(target.descriptor) }
        return try spawn(
          executable, arguments: ["coracle-shim"], environment: [], descriptors: descriptors)
      }
      return BundleProcess(shim: pid, plan: plan, status: status)
    } catch {
      throw EngineError("start a container's process", wrapping: error)
    }
  }
}

/// Turns the failure of an operation into the words that callers of an OCI runtime look for.
enum CommandFailure {
  static func error(_ report: clinux_report, _ plan: LaunchPlan) -> EngineError {
    let errno = Errno(rawValue: report.error)
    if report.kind == CLINUX_REPORT_OPERATION_FAILED.rawValue,
      plan.operations.indices.contains(Int(report.operation))
    {
      switch plan.operations[Int(report.operation)] {
      case .findCommand(let command, _) where report.step == CLINUX_STEP_FIND_COMMAND.rawValue:
        return error(command, errno)
      case .execute(let arguments, _) where report.step == CLINUX_STEP_EXECVE.rawValue:
        return error(arguments.first ?? "", errno)
      default: break
      }
    }
    return LaunchFailure(purpose: "start the container's process", id: "", plan: plan).error(report)
  }

  /// Docker and podman tell a missing command (127) from one that cannot be executed (126) by runc's words.
  private static func error(_ command: String, _ errno: Errno) -> EngineError {
    switch errno {
    case .noSuchFileOrDirectory where !command.contains("/"):
      EngineError(.notFound, "exec: \"\(command)\": executable file not found in $PATH", subject: command)
    case .noSuchFileOrDirectory:
      EngineError(
        .notFound, "exec: \"\(command)\": stat \(command): no such file or directory", subject: command)
    default:
      EngineError(
        ErrorKind(errno), "exec: \"\(command)\": \("\(errno)".lowercased())", subject: command)
    }
  }
}
