import EngineErrors
import LinuxSystem
import Metadata
import OCIModel

extension ContainerEngine {
  /// What of that which builds keep is due to go: what was of no use for as long as the scope says, and, where it says how much
  /// may stay, what was of no use for longest until no more is left. Without either, all of it. Blocks.
  ///
  /// - Parameter uses: what images need stays with them, and counts for nothing.
  func buildFindings(
    _ steps: [BuildStepRecord], _ mounts: [CacheMount], _ scope: PruneScope, _ uses: [StoreItemUse],
    _ isCancelled: () -> Bool
  ) throws -> [PruneFinding] {
    var seen = Set(uses.map(\.item))
    var kept: [(finding: PruneFinding, usedAt: Int64)] = []
    // The last that was used has what several have.
    for step in steps.reversed() {
      if isCancelled() { throw CancellationError() }
      let items =
        step.layer.map { [StoreItem(.blob, $0.descriptor.digest), StoreItem(.layer, $0.key)] } ?? []
      let bytes = items.filter { seen.insert($0).inserted }.reduce(Int64(0)) {
        $0 + ((try? diskUsage(of: $1)) ?? 0)
      }
      kept.append((PruneFinding(subject: .buildStep(step), bytes: bytes), step.usedAt))
    }
    for mount in mounts {
      let bytes = try LinuxSystem.diskUsage(of: mount.path, isCancelled: isCancelled)
      kept.append(
        (PruneFinding(subject: .cacheMount(mount), bytes: bytes), mount.usedAt &* 1_000_000_000))
    }
    kept.sort { $0.usedAt < $1.usedAt }

    let now = Timestamp.now
    let isLimitedByAge = scope.unusedFor > 0
    var left = kept.reduce(Int64(0)) { $0 + $1.finding.bytes }
    let total = left
    return kept.compactMap { entry in
      var finding = entry.finding
      let age = now - entry.usedAt
      if isLimitedByAge, age >= scope.unusedFor {
        finding.why = "no build has used it for \(Self.text(age))"
      } else if let limit = scope.keepsBuildBytes, left > limit {
        finding.why =
          "the caches have \(total) bytes, \(total - limit) more than may stay, and this was unused for longest"
      } else if isLimitedByAge || scope.keepsBuildBytes != nil {
        return nil
      } else {
        finding.why = "it is kept for later builds"
      }
      left -= finding.bytes
      return finding
    }
  }

  private static func text(_ nanoseconds: Int64) -> String {
    let seconds = nanoseconds / 1_000_000_000
    switch seconds {
    case ..<120: return "\(seconds) seconds"
    case ..<7200: return "\(seconds / 60) minutes"
    case ..<172_800: return "\(seconds / 3600) hours"
    default: return "\(seconds / 86_400) days"
    }
  }
}
