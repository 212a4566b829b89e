import EngineErrors
import OCIModel
import SystemPackage

/// The namespaces of OCI's configuration: without a path a new one, with a path one to join; what is not listed is the
/// service's.
enum NamespaceCompiler {
  private static let kinds: [String: LaunchPlan.Namespaces] = [
    "mount": .mount, "pid": .pid, "network": .network, "uts": .uts, "ipc": .ipc, "cgroup": .cgroup,
    "user": .user, "time": .time,
  ]

  static func compile(
    _ list: [RuntimeSpec.Namespace]
  ) throws(EngineError) -> (new: LaunchPlan.Namespaces, joins: [LaunchPlan.Operation]) {
    var new: LaunchPlan.Namespaces = []
    var joined: LaunchPlan.Namespaces = []
    var joins: [LaunchPlan.Operation] = []
    for namespace in list {
      guard let kind = kinds[namespace.type] else {
        throw EngineError(
          .invalidArgument, "not a namespace: \(namespace.type)", subject: "linux.namespaces",
          hint: "they are \(kinds.keys.sorted().joined(separator: ", "))")
      }
      guard new.isDisjoint(with: kind), joined.isDisjoint(with: kind) else {
        throw EngineError(
          .invalidArgument, "the \(namespace.type) namespace is there twice", subject: "linux.namespaces")
      }
      // As crun and runc take it, an empty path is none.
      guard let path = namespace.path, !path.isEmpty else {
        new.insert(kind)
        continue
      }
      guard kind != .mount else {
        throw EngineError(
          .unsupported, "a container cannot join a mount namespace", subject: "linux.namespaces",
          hint: "its mounts are made in one of its own")
      }
      guard path.hasPrefix("/") else {
        throw EngineError(
          .invalidArgument, "the path of the \(namespace.type) namespace is not absolute: \(path)",
          subject: "linux.namespaces")
      }
      joined.insert(kind)
      joins.append(.joinNamespace(kind, path: FilePath(path)))
    }
    guard new.contains(.mount) else {
      throw EngineError(
        .unsupported, "a container needs a mount namespace of its own", subject: "linux.namespaces")
    }
    return (new, joins)
  }
}

extension NamespaceCompiler {
  /// Those that are not the service's, whether new or joined.
  static func listed(_ list: [RuntimeSpec.Namespace]) -> LaunchPlan.Namespaces {
    LaunchPlan.Namespaces(list.compactMap { kinds[$0.type] })
  }
}

extension LaunchPlan.Operation {
  /// Whether it joins a user namespace.
  var joinsUser: Bool {
    if case .joinNamespace(.user, _) = self { true } else { false }
  }
}
