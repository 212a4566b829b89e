import LinuxSystem
import SystemPackage

/// A plan in two: what can be made ahead for a container that nobody has asked for yet, since it is the same for most, and what is
/// this container's.
///
/// The host's mounts are not held by what is made ahead, and what is mounted from the host is looked up at the start: the
/// shim makes those mounts, so this is for a service with the host's privilege.
struct StagedPlan {
  /// Namespaces, and /proc, /sys and /dev with all that is made in them.
  let stage: LaunchPlan
  /// The whole: `stage`, and the rest.
  let plan: LaunchPlan

  /// No message has more descriptors.
  private static let mostBinds = 16
  /// `lowerdir+` came with Linux 6.8; before that an overlay is mounted another way.
  private static let isPossible: Bool = {
    let version = kernelRelease().split(separator: ".").prefix(2).map { Int($0.prefix { $0.isNumber }) ?? 0 }
    return !version.lexicographicallyPrecedes([6, 8])
  }()

  /// Nil for a plan that has something out of the ordinary.
  init?(_ whole: LaunchPlan) {
    guard Self.isPossible, whole.operations.count > 2, whole.operations[0] == .makeMountsPrivate,
      case .mountOverlayRoot(let lowers, let upper, let work, userXattrs: false, let isVolatile) =
        whole.operations[1]
    else { return nil }
    var staged: [LaunchPlan.Operation] = [.makeMountsPrivate, .makeStage]
    var host: [LaunchPlan.Operation] = [
      .prepareRoot(lowers: lowers, upper: upper, work: work, isVolatile: isVolatile)
    ]
    var rest: [LaunchPlan.Operation] = []
    var taken: [LaunchPlan.Operation] = [.attachRoot(slot: 0)]
    var isPivoted = false
    var index = 2
    scan: while index < whole.operations.count {
      let operation = whole.operations[index]
      switch operation {
      case .mount(_, _, let target, _, _) where Self.isOfKernel(target):
        // What comes later could not be beneath it.
        guard rest.isEmpty else { return nil }
        staged.append(operation)
        if Self.trees.contains(target) { taken.append(.takeStaged(target: target)) }
        guard taken.contains(where: { $0.isTaking(target) }) else { return nil }
      case .makeNode(let target, _, _, _, _, _), .makeSymlink(let target, _), .readOnlyPath(let target),
        .maskPath(let target):
        // In the image's own directories nothing can be made ahead.
        guard taken.contains(where: { $0.isTaking(target) }) else { return nil }
        staged.append(operation)
      case .setLoopbackUp: staged.append(operation)
      case .mount(_, let source, let target, _, _):
        // A device of the host's is not in reach.
        guard !Self.isOfKernel(target), !source.hasPrefix("/") else { return nil }
        rest.append(operation)
      case .bind(let bind, let target):
        guard !Self.isOfKernel(target), host.count <= Self.mostBinds else { return nil }
        rest.append(.attach(slot: host.count, target: target))
        host.append(.prepareBind(bind))
      case .setHostname, .setDomainname, .openTerminal: rest.append(operation)
      case .pivotRoot:
        isPivoted = true
        rest.append(operation)
      case .makeDirectory, .remountRootReadOnly: rest.append(operation)
      case .awaitStart: break scan
      default: return nil
      }
      index += 1
    }
    guard isPivoted, taken.count > 1 else { return nil }
    staged.append(.enterStage)
    stage = LaunchPlan(namespaces: whole.namespaces, operations: staged)
    plan = LaunchPlan(
      namespaces: whole.namespaces, operations: host + staged + taken + rest + whole.operations[index...])
  }

  private static let trees = ["/proc", "/dev", "/sys"]

  /// Also what only looks so is not made ahead.
  private static func isOfKernel(_ target: String) -> Bool {
    let names = FilePath(target).lexicallyNormalized().components
    guard let first = names.first else { return true }
    return trees.contains("/\(first.string)")
  }
}

extension LaunchPlan.Operation {
  fileprivate func isTaking(_ target: String) -> Bool {
    guard case .takeStaged(let tree) = self else { return false }
    return target == tree || target.hasPrefix(tree + "/") && !target.contains("/../")
  }
}
