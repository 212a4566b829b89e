import CLinux
import Glibc
import LinuxSystem
import Synchronization
internal import SystemPackage

/// A shim whose process has its namespaces, and in them all that most containers have alike, before anybody asks for one: what
/// takes the kernel the longest is then done at the start.
///
/// There is at most one, of the kind that was started last; it is made when no container is on its way, and used once. It has a
/// name nowhere, so that nothing but its processes ends with it: with this value, and with the service.
final class SpareShim: Sendable {
  private struct State {
    /// What the next one is to be; nil until a container that could have used one was started.
    var wanted: LaunchPlan?
    var made: (stage: LaunchPlan, shim: LaunchedShim)?
    var isBeingMade = false
    /// How many containers are on their way.
    var starts = 0
    /// The machine refuses it: each start then does all by itself.
    var isRefused = false
  }
  private let state = Mutex(State())
  private let launcher: ShimLauncher
  private let runDirectory: FilePath

  init(_ launcher: ShimLauncher, runDirectory: FilePath) {
    self.launcher = launcher
    self.runDirectory = runDirectory
  }

  deinit { state.withLock { Self.end(&$0) } }

  /// Of the one that there is.
  var process: ProcessDescriptor? { state.withLock { $0.made?.shim.process } }

  /// Says that a container is on its way, for as long as the value lives.
  func begin() -> StartTurn {
    state.withLock { $0.starts += 1 }
    return StartTurn(self)
  }

  fileprivate func startEnded() {
    state.withLock { $0.starts -= 1 }
    // One that lives for a moment only is followed by `replenish` at its end, which is not to be held up now.
    Task { [weak self] in
      try? await Task.sleep(for: .milliseconds(50))
      self?.replenish()
    }
  }

  /// Takes the shim that has what `stage` says; nil where there is none, and then the next one is such a one.
  func take(_ stage: LaunchPlan) async -> LaunchedShim? {
    let shim: LaunchedShim? = state.withLock { state in
      state.wanted = stage
      guard let made = state.made, made.stage == stage else { return nil }
      state.made = nil
      return made.shim
    }
    guard let shim else { return nil }
    do {
      if !shim.status.isReadable { try await DescriptorWatcher.shared.readable(shim.status.descriptor) }
      if let report = try shim.status.receive() {
        if report.kind == CLINUX_REPORT_READY.rawValue { return shim }
        if !Errno(rawValue: report.error).isWantForNow { state.withLock { $0.isRefused = true } }
      }
    } catch {}
    Self.end(shim)
    return nil
  }

  /// Makes one where it is wanted and nothing else is to be done. Does not wait.
  func replenish() {
    let (stage, other): (LaunchPlan?, LaunchedShim?) = state.withLock { state in
      guard let wanted = state.wanted, !state.isRefused, !state.isBeingMade, state.starts == 0,
        state.made?.stage != wanted
      else { return (nil, nil) }
      let other = state.made?.shim
      state.made = nil
      state.isBeingMade = true
      return (wanted, other)
    }
    guard let stage else { return }
    launcher.later { [weak self, runDirectory] launcher in
      // Its end is waited for.
      if let other { Self.end(other) }
      let shim = Result {
        let request = ShimRequest(
          mode: CLINUX_MODE_SPARE, runDirectory: runDirectory, plan: stage, namespaces: stage.namespaces)
        return try launcher.launch(request.encoded())
      }
      self?.made(stage, shim)
    }
  }

  func made(_ stage: LaunchPlan, _ shim: Result<LaunchedShim, any Error>) {
    state.withLock { state in
      state.isBeingMade = false
      switch shim {
      case .success(let shim): state.made = (stage, shim)
      case .failure(let error):
        // After the next start it is tried again.
        state.isRefused = (error as? SystemError)?.errno.isWantForNow != true
      }
    }
  }

  private static func end(_ state: inout State) {
    guard let made = state.made else { return }
    state.made = nil
    end(made.shim)
  }

  /// It dies at once, and its process with it.
  static func end(_ shim: LaunchedShim) {
    try? shim.process.signal(SIGKILL)
    _ = try? shim.process.reap()
  }
}

extension Errno {
  /// Something was used up that others may give back.
  fileprivate var isWantForNow: Bool {
    [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .resourceTemporarilyUnavailable, .noSpace]
      .contains(self)
  }
}

/// A container's way from the first preparation to its start.
final class StartTurn: Sendable {
  private let spare: SpareShim

  init(_ spare: SpareShim) { self.spare = spare }

  deinit { spare.startEnded() }
}
