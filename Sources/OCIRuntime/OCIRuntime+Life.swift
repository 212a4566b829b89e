package import EngineErrors
import Glibc
package import LinuxSystem
import OCIModel
import Runner
import SystemPackage

extension OCIRuntime {
  /// Lets a created container's command be executed, and returns when it has been.
  ///
  /// - Throws: `notFound`; `conflict` in any other state.
  package func start(_ id: String) throws(EngineError) {
    let directory = try root.directory(of: id)
    let held = try directory.open()
    switch held.state.status {
    case .created: break
    case .stopped, .creating:
      throw EngineError(.conflict, "cannot start a container that has stopped", subject: id)
    case .running, .paused:
      throw EngineError(.conflict, "cannot start an already running container", subject: id)
    }
    let spec = try configuration(directory)
    // What comes next may take its time, in hooks of the container's: others can kill and delete it meanwhile.
    try StartRelease(directory: directory.path).release { held.unlock() }
    var state = held.state
    do throws(EngineError) {
      let held = try directory.open()
      state = held.state
      if state.status == .running { try held.write() }
    } catch {
      guard error.kind == .notFound else { throw error }
      return
    }
    RuntimeHooks(state: state).runAll(spec.hooks?.poststart, named: "poststart", warn: warn)
  }

  /// Sends a signal to a container's first process, or to all that it holds.
  ///
  /// - Throws: `notFound`; `conflict` for one that is not running, unless `all` is asked for.
  package func kill(_ id: String, _ signal: Signal, all: Bool) throws(EngineError) {
    let directory = try root.directory(of: id)
    if all {
      // To all but SIGKILL it holds them for a moment.
      let held = try directory.open()
      try signalAll(directory, held.state, signal.rawValue)
      return
    }
    let state = try directory.look()
    guard let process = try firstProcess(state) else {
      throw EngineError(.conflict, "container not running", subject: id)
    }
    do {
      try process.signal(signal.rawValue)
      // With v1 one that is held does not die.
      if signal.rawValue == SIGKILL, state.status == .paused {
        BundleControlGroup.of(directory.path)?.thaw()
      }
    } catch  where error.errno == .noSuchProcess {
      throw EngineError(.conflict, "container not running", subject: id)
    } catch {
      throw EngineError("signal container \(id)", error)
    }
  }

  /// Removes a container that has ended, or was never started.
  ///
  /// - Parameter force: a running one is killed; one that does not exist is none to remove.
  /// - Throws: `notFound`; `conflict` for a running one.
  package func delete(_ id: String, force: Bool) throws(EngineError) {
    let directory = try root.directory(of: id)
    let held: HeldState
    do throws(EngineError) { held = try directory.open() } catch {
      guard error.kind == .notFound, force else { throw error }
      // What a creator that was killed has left.
      try directory.remove()
      return
    }
    switch held.state.status {
    case .stopped, .creating: break
    case .created: try end(directory, held.state)
    case .running, .paused:
      guard force else {
        throw EngineError(
          .conflict, "cannot delete container \(id) that is not stopped: \(held.state.status.rawValue)",
          subject: id)
      }
      try end(directory, held.state)
    }
    let spec = try? configuration(directory)
    var state = held.state
    state.status = .stopped
    state.pid = 0
    try BundleControlGroup.remove(directory.path)
    try held.remove()
    RuntimeHooks(state: state).runAll(spec?.hooks?.poststop, named: "poststop", warn: warn)
  }

  /// Kills what runs in a container and waits for the end of its first process.
  private func end(_ directory: StateDirectory, _ state: ContainerState) throws(EngineError) {
    try signalAll(directory, state, SIGKILL)
    guard let process = try firstProcess(state) else { return }
    try? process.signal(SIGKILL)
    var entry = pollfd(fd: process.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    guard poll(&entry, 1, 10_000) > 0 else {
      throw EngineError(.timedOut, "cannot delete container \(state.id): its process does not end")
    }
  }

  /// The first process by descriptor, if it is still the one that was meant.
  func firstProcess(_ state: ContainerState) throws(EngineError) -> ProcessDescriptor? {
    guard state.isAlive else { return nil }
    do {
      let process = try ProcessDescriptor(pid: state.pid)
      return state.isAlive ? process : nil
    } catch  where error.errno == .noSuchProcess {
      return nil
    } catch {
      throw EngineError("find the process of container \(state.id)", error)
    }
  }

  /// To all processes of a container: held while that takes, so that none is missed which another forks.
  private func signalAll(
    _ directory: StateDirectory, _ state: ContainerState, _ signal: Int32
  ) throws(EngineError) {
    guard let group = BundleControlGroup.of(directory.path) else {
      for pid in processes(directory, state) { try? ProcessDescriptor(pid: pid).signal(signal) }
      return
    }
    if signal == SIGKILL {
      group.killAll()
      return
    }
    let wasFrozen = !group.canFreeze || group.isFrozen
    if !wasFrozen { try? group.freeze() }
    for pid in group.processes() { try? ProcessDescriptor(pid: pid).signal(signal) }
    if !wasFrozen { group.thaw() }
  }

  /// The processes of a container, by their numbers here, sorted.
  ///
  /// - Throws: `notFound`.
  package func processes(_ id: String) throws(EngineError) -> [Int32] {
    let directory = try root.directory(of: id)
    return processes(directory, try directory.look())
  }

  private func processes(_ directory: StateDirectory, _ state: ContainerState) -> [Int32] {
    if let group = BundleControlGroup.of(directory.path) { return group.processes().sorted() }
    return state.pid > 0 ? ContainerProcesses.ids(of: state.pid) : []
  }
}

/// What /proc says a process's namespace is, such as `pid:[4026531836]`.
func namespaceName(_ kind: String, of process: String) -> String? {
  var buffer = [UInt8](repeating: 0, count: 64)
  let count = readlink("/proc/\(process)/ns/\(kind)", &buffer, buffer.count)
  return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
}
