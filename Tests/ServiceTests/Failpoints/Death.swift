import LinuxSystem
import TestSupport
import Testing

/// What a service is asked for when it dies.
enum DoomedRequest: String, Sendable {
  case pull, pullOverStale, load, importing, commit, save, saveDirectory, create, run, removeContainer,
    removeImage
  case createVolume, createWithVolume, importVolume, fillVolume, fillUsedVolume, removeVolume
  case verifyBlob, verifyTree
  /// The opening of the store, after a start of the machine.
  case open
}

/// A service that is killed at the N-th passing of a failpoint.
struct Death: Sendable, CustomTestStringConvertible {
  var failpoint: Failpoint
  var passing: Int
  var request: DoomedRequest

  var testDescription: String { "\(request) at \(setting)" }

  /// As in the environment.
  var setting: String { passing == 1 ? failpoint.rawValue : "\(failpoint.rawValue):\(passing)" }

  static let all = Failpoint.allCases.flatMap { point in
    point.requests.flatMap { request, passings in
      passings.map { Death(failpoint: point, passing: $0, request: request) }
    }
  }
}

extension Failpoint {
  /// Which requests are to die at it, and at which passings.
  fileprivate var requests: [(DoomedRequest, [Int])] {
    switch self {
    // The configuration, two layers, the manifest.
    case .blobWritten:
      [(.pull, [1, 2, 3, 4]), (.load, [1, 4]), (.importing, [1, 2, 3]), (.commit, [1, 3])]
    case .blobRenamed: [(.pull, [1, 3, 4]), (.load, [2, 4]), (.importing, [1, 3]), (.commit, [1])]
    case .partialRemoved: [(.pullOverStale, [1])]
    case .layerUnpacked, .layerRenamed:
      [(.pull, [1, 2]), (.load, [1, 2]), (.importing, [1]), (.commit, [1])]
    case .imageWhole, .storeSynced, .imageWritten, .imageRecorded:
      [(.pull, [1]), (.load, [1]), (.importing, [1]), (.commit, [1])]
    case .archiveWritten, .archiveRenamed: [(.save, [1]), (.saveDirectory, [1])]
    case .containerPrepared, .containerConfigured, .containerRecorded: [(.create, [1]), (.run, [1])]
    case .containerStarted: [(.run, [1])]
    case .containerUnrecorded: [(.removeContainer, [1])]
    case .volumeStaged, .volumeRenamed, .volumeSynced, .volumeWritten, .volumeRecorded:
      [(.createVolume, [1]), (.createWithVolume, [1]), (.importVolume, [1])]
    case .volumeFilled:
      [
        (.createVolume, [1]), (.createWithVolume, [1]), (.importVolume, [1]), (.fillVolume, [1]),
        (.fillUsedVolume, [1]),
      ]
    case .volumeContentComing, .volumeEntryMoved: [(.fillUsedVolume, [1])]
    case .volumeReplaced: [(.fillVolume, [1])]
    case .volumeUnrecorded: [(.removeVolume, [1])]
    case .imageUnrecorded: [(.removeImage, [1])]
    case .blobCollected: [(.removeImage, [1, 4]), (.open, [1])]
    case .layerCollected: [(.removeImage, [1, 2]), (.open, [1])]
    case .storeCollected: [(.removeImage, [1]), (.open, [1])]
    case .treeUnnamed: [(.removeImage, [1, 2]), (.removeContainer, [1]), (.open, [1])]
    case .damageFound, .blobUnnamed: [(.verifyBlob, [1])]
    case .treeRebuilt, .treesExchanged: [(.verifyTree, [1])]
    case .restartTidied, .restartRecorded: [(.open, [1])]
    // NetworkRecoveryTests, PortRecoveryTests
    case .networkRecorded, .bridgeMade, .bridgeUp, .firewallChanged, .networkUnrecorded, .bridgeRemoved,
      .endpointRecorded, .linkMade, .linkReady, .hostsWritten, .endpointUnrecorded,
      .userNetworkMade, .userNetworkKept, .userNetworkReady, .userNetworkHeld,
      .portsReserved, .portsRecorded, .portsPublished, .portsWithdrawn:
      []
    }
  }
}
