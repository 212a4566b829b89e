import LinuxSystem
import Synchronization

/// The report sockets of the containers that this service started: their end comes with the exit record, earlier than
/// the end of the shim, which takes down the mounts first.
final class OwnShims: Sendable {
  private let channels = Mutex<[String: StatusChannel]>([:])

  subscript(id: String) -> StatusChannel? {
    get { channels.withLock { $0[id] } }
  }

  func insert(_ channel: StatusChannel, for id: String) {
    channels.withLock { $0[id] = channel }
  }

  /// Forgets the channel, unless the container has been started again since.
  func remove(_ channel: StatusChannel, for id: String) {
    channels.withLock { if $0[id] === channel { $0[id] = nil } }
  }
}
