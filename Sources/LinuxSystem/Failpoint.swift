import Glibc
import Synchronization

/// A place in front of or behind a step by which the store changes, where the process can be made to die as of `kill -9`.
///
/// `CORACLE_FAILPOINT=name`, or `name:N` for the N-th time that it is passed, arms one of them; in a release build too,
/// where one that is not armed costs the load of a number. So that tests can prove what each loss leaves behind.
package enum Failpoint: String, CaseIterable, Sendable {
  // A blob on its way in: it has all its bytes, and then its name.
  case blobWritten
  case blobRenamed
  /// The left-over of a blob that nobody went on with is gone.
  case partialRemoved

  // A layer: unpacked, and then under its key.
  case layerUnpacked
  case layerRenamed

  // An image: all its content is there; it is on the disk; its rows are written, but not committed; they are.
  case imageWhole
  case storeSynced
  case imageWritten
  case imageRecorded

  // What is saved or exported: it has its bytes, and then its name.
  case archiveWritten
  case archiveRenamed

  // A container: its directory, the files in it, its row, its process.
  case containerPrepared
  case containerConfigured
  case containerRecorded
  case containerStarted
  /// Its row is gone, and its directory is not.
  case containerUnrecorded

  // A volume: its directory, in which nobody looks for it yet; what goes into it; its name; both are on the disk; its row is
  // written, but not committed; it is.
  case volumeStaged
  case volumeFilled
  case volumeRenamed
  case volumeSynced
  case volumeWritten
  case volumeRecorded
  /// What an image, or an archive, has is in the place of the empty directory of a volume that was there.
  case volumeReplaced
  /// The same beside the data of one that others use; and an entry of it is among them.
  case volumeContentComing
  case volumeEntryMoved
  /// Its row is gone, and its directory is not.
  case volumeUnrecorded

  // A network: its row; its bridge is there, and then is whole; the firewall knows it.
  case networkRecorded
  case bridgeMade
  case bridgeUp
  case firewallChanged
  /// Its row is gone, and its bridge is not; and then the bridge.
  case networkUnrecorded
  case bridgeRemoved
  // A container's connection: its row; both ends are there; they have addresses; the containers' hosts files know it.
  case endpointRecorded
  case linkMade
  case linkReady
  case hostsWritten
  /// Its row is gone, and its link is not.
  case endpointUnrecorded

  // An ordinary user's network: its namespace; who keeps it, and pasta; that is ready; this service has it.
  case userNetworkMade
  case userNetworkKept
  case userNetworkReady
  case userNetworkHeld

  // Published ports: the host's are taken; the row has them; the forwarder has them.
  case portsReserved
  case portsRecorded
  case portsPublished
  /// The forwarder has given them back, and the row has them still.
  case portsWithdrawn

  /// An image's row is gone, and its content is not.
  case imageUnrecorded
  // Collection, one by one, and behind it.
  case blobCollected
  case layerCollected
  case storeCollected
  /// A tree has no name any more, and all its files.
  case treeUnnamed

  // Verification: damage is known; the blob has lost its name; the tree that takes another's place is there; it has.
  case damageFound
  case blobUnnamed
  case treeRebuilt
  case treesExchanged

  // A store after a start of the machine: what nothing names is gone, and then that is written down.
  case restartTidied
  case restartRecorded

  /// Arms a failpoint, before there is a second thread.
  ///
  /// - Parameter text: as in the environment.
  /// - Returns: false where there is no such failpoint.
  package static func arm(_ text: String) -> Bool {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let name = parts.first, let point = Failpoint(rawValue: String(name)),
      let passing = parts.count == 1 ? 1 : Int(parts[1]), passing > 0, let number = point.number
    else { return false }
    remaining.store(passing, ordering: .relaxed)
    armed.store(number, ordering: .relaxed)
    return true
  }

  /// All there are, for who has got a name wrong.
  package static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

  /// Ends the process where this is the failpoint that is armed (kill(2) of itself, with SIGKILL).
  package func pass() {
    let armed = Self.armed.load(ordering: .relaxed)
    if armed != 0 { die(armed) }
  }

  private func die(_ armed: Int) {
    guard armed == number, Self.remaining.subtract(1, ordering: .relaxed).newValue == 0 else { return }
    kill(getpid(), SIGKILL)
  }

  private var number: Int? { Self.allCases.firstIndex(of: self).map { $0 + 1 } }

  /// Of the one that is armed; 0 where none is.
  private static let armed = Atomic(0)
  private static let remaining = Atomic(0)
}
