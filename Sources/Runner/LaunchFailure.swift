import CLinux
internal import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// Turns a shim's report into the error that a caller sees.
struct LaunchFailure {
  /// A lower-case phrase such as `start container abc`.
  var purpose: String
  var id: String
  var plan: LaunchPlan

  func error(_ report: clinux_report) -> EngineError {
    let step = String(cString: clinux_step_name(report.step))
    let errno = Errno(rawValue: report.error)
    guard report.kind == CLINUX_REPORT_OPERATION_FAILED.rawValue,
      plan.operations.indices.contains(Int(report.operation))
    else {
      if report.step == CLINUX_STEP_LOCK.rawValue, errno == .resourceTemporarilyUnavailable {
        return EngineError(.conflict, "cannot \(purpose): it is running", subject: id)
      }
      return EngineError(purpose, SystemError(step, errno), subject: id)
    }
    let operation = plan.operations[Int(report.operation)]
    if report.step == CLINUX_STEP_EXECVE.rawValue, case .execute(let arguments, _) = operation {
      return commandError(arguments.first ?? "", errno)
    }
    var error = EngineError(
      "\(purpose): cannot \(plan.name(of: operation))", SystemError(step, errno), subject: id)
    let explanation = text(report)
    if !explanation.isEmpty { error.causes.append(explanation) }
    if case .mount = operation, errno == .invalidArgument, report.step == CLINUX_STEP_FSCONFIG.rawValue {
      error.kind = .invalidArgument
    }
    if operation.hasSubpath, report.step == CLINUX_STEP_OPENAT2.rawValue, errno == .improperLink {
      error.kind = .invalidArgument
      error.hint = "a link leads out of what is mounted"
    }
    if report.step == CLINUX_STEP_MOUNT_IDMAP.rawValue || operation.isMappedOverlay {
      error.kind = .unsupported
      error.hint =
        "the kernel (Linux 6.15 and later can) or the file system of the store cannot map the ids of files"
    }
    if case .setResourceLimit = operation, errno == .notPermitted {
      error.hint = "the service's own hard limit is lower, and raising it takes CAP_SYS_RESOURCE"
    }
    return error
  }

  /// The shim ended without a word.
  func lost() -> EngineError {
    EngineError(.internal, "cannot \(purpose): the shim ended unexpectedly", subject: id)
  }

  private func commandError(_ command: String, _ errno: Errno) -> EngineError {
    let cause = SystemError("execve", errno, on: command).description
    var error: EngineError
    switch errno {
    case .noSuchFileOrDirectory, .notDirectory:
      error = EngineError(
        .notFound, "cannot \(purpose): command \(command) is not in the container", subject: id,
        causes: [cause], hint: "give its path there, or an image that has it")
    case .permissionDenied:
      error = EngineError(
        .permissionDenied, "cannot \(purpose): command \(command) is not executable", subject: id,
        causes: [cause], hint: "name a program, or give the file the mode of one (chmod +x)")
    default:
      error = EngineError(
        .invalidArgument, "cannot \(purpose): command \(command) cannot be executed", subject: id,
        causes: [cause],
        hint: "look whether it is a program for this machine, or a script that names its interpreter")
    }
    error.exitCode = error.kind == .notFound ? 127 : 126
    return error
  }

  /// The kernel's message, less its newline and level (`e overlay: …`).
  private func text(_ report: clinux_report) -> String {
    let length = min(Int(report.text_length), MemoryLayout.size(ofValue: report.text))
    let bytes = withUnsafeBytes(of: report.text) { Array($0.prefix(length)) }
    let line = bytes.prefix { $0 != 0 && $0 != UInt8(ascii: "\n") }
    let text = String(decoding: line, as: UTF8.self)
    return text.hasPrefix("e ") || text.hasPrefix("w ") ? String(text.dropFirst(2)) : text
  }
}

extension LaunchPlan {
  /// What is attached is called as what the shim has prepared for it.
  fileprivate func name(of operation: Operation) -> String {
    guard case .attach(let slot, let target) = operation else { return operation.name }
    let prepared = operations.filter {
      switch $0 {
      case .prepareRoot, .prepareOverlay, .prepareBind: true
      default: false
      }
    }
    guard prepared.indices.contains(slot), case .prepareBind(let bind) = prepared[slot] else {
      return operation.name
    }
    return Operation.bind(bind, target: target).name
  }
}

extension LaunchPlan.Operation {
  fileprivate var hasSubpath: Bool {
    switch self {
    case .bind(let mount, _), .prepareBind(let mount): mount.subpath != nil
    default: false
    }
  }

  fileprivate var isMappedOverlay: Bool { if case .prepareOverlay = self { true } else { false } }
}
