import RPCModel
import Synchronization

/// The containers that requests under way have started: what a Ctrl-C goes to.
final class StartedContainers: Sendable {
  private let last = Mutex<ContainerSummary?>(nil)

  func add(_ running: ContainerRunningNotification) { last.withLock { $0 = running.container } }

  func clear() { last.withLock { $0 = nil } }

  var current: ContainerSummary? { last.withLock { $0 } }
}
