import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import Runner
import SystemPackage

/// Runs the hooks of the runtime's own namespaces, each with the container's state on its standard input.
struct RuntimeHooks {
  var state: ContainerState

  /// - Throws: the failure of the first one that fails.
  func run(_ hooks: [RuntimeSpec.Hook]?, named name: String) throws(EngineError) {
    guard let hooks, !hooks.isEmpty else { return }
    let input = try state.json()
    for hook in hooks { try run(hook, name, input) }
  }

  /// As the specification asks for poststart and poststop: what fails is told, and the others are run.
  func runAll(_ hooks: [RuntimeSpec.Hook]?, named name: String, warn: (String) -> Void) {
    guard let hooks, !hooks.isEmpty, let input = try? state.json() else { return }
    for hook in hooks {
      do { try run(hook, name, input) } catch { warn(error.description) }
    }
  }

  private func run(_ hook: RuntimeSpec.Hook, _ name: String, _ input: [UInt8]) throws(EngineError) {
    let purpose = "run the \(name) hook \(hook.path)"
    let status: WaitStatus
    do {
      status = try runHook(
        FilePath(hook.path), arguments: hook.args ?? [hook.path], environment: hook.env ?? Self.environment,
        input: input, timeout: hook.timeout.map { $0.multipliedReportingOverflow(by: 1000).partialValue })
    } catch {
      throw EngineError(purpose, error)
    }
    guard status == .exited(code: 0) else {
      throw EngineError(.internal, "cannot \(purpose): it ended with \(status.exitCode)", subject: hook.path)
    }
  }

  /// Hooks in the container's namespaces, as the plan has them.
  func planned(_ hooks: [RuntimeSpec.Hook]?, _ status: ContainerState.Status) throws(EngineError)
    -> [LaunchPlan.Hook]
  {
    guard let hooks, !hooks.isEmpty else { return [] }
    var state = state
    state.status = status
    // No process has this number, so it is there once.
    state.pid = .max
    let text = String(decoding: try state.json(), as: UTF8.self)
    let marker = "\"pid\":\(Int32.max)"
    guard let place = text.firstRange(of: marker) else {
      throw EngineError(.internal, "cannot write the state for hooks")
    }
    return hooks.map { hook in
      LaunchPlan.Hook(
        path: hook.path, arguments: hook.args ?? [hook.path], environment: hook.env ?? [],
        timeout: hook.timeout.map { $0.multipliedReportingOverflow(by: 1000).partialValue },
        stateBeforePid: text[..<place.lowerBound] + "\"pid\":",
        stateAfterPid: String(text[place.upperBound...]))
    }
  }

  private static var environment: [String] {
    var list: [String] = []
    var next = environ
    while let entry = next.pointee {
      list.append(String(cString: entry))
      next += 1
    }
    return list
  }
}
