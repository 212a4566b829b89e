import EngineErrors
import OCIModel
import Runner

/// Whose namespaces a container has, as its options say it.
struct NamespacePlan {
  var pid: NamespaceChoice
  var ipc: NamespaceChoice
  var uts: NamespaceChoice
  var cgroup: NamespaceChoice
  var network: NamespaceChoice
  private let hasNetworks: Bool

  /// - Throws: `invalidArgument` for what does not go together.
  init(_ options: ContainerOptions) throws(EngineError) {
    pid = options.pidNamespace ?? .private
    ipc = options.ipcNamespace ?? .private
    uts = options.utsNamespace ?? .private
    cgroup = options.cgroupNamespace ?? .private
    hasNetworks = options.network == .bridge
    switch options.network {
    case .none, .bridge: network = .private
    case .host: network = .host
    case .container:
      guard let name = options.networkContainer, !name.isEmpty else {
        throw EngineError(
          .invalidArgument, "the container whose network is to be joined is not named",
          subject: "networkContainer")
      }
      network = .container(name)
    }
    if options.networkContainer != nil, options.network != .container {
      throw EngineError(
        .invalidArgument, "a container is named whose network is not joined", subject: "networkContainer",
        hint: "the network is then container")
    }
    if options.userNamespace == .auto, pid != .private || ipc != .private {
      throw EngineError(
        .invalidArgument, "a container with user ids of its own has processes and memory of its own, too",
        subject: "userNamespace", hint: "leave out the PID and IPC namespaces, or the user namespace")
    }
    if options.hostname != nil, uts != .private {
      throw EngineError(
        .invalidArgument, "the host name belongs to somebody else's UTS namespace", subject: "hostname",
        hint: "leave out the host name, or the UTS namespace")
    }
  }

  /// By their names in OCI's configuration.
  private var choices: [(type: String, kind: LaunchPlan.Namespaces, choice: NamespaceChoice)] {
    [
      ("pid", .pid, pid), ("uts", .uts, uts), ("ipc", .ipc, ipc), ("cgroup", .cgroup, cgroup),
      ("network", .network, network),
    ]
  }

  /// Those that are made for the container, with its mounts'.
  var new: [RuntimeSpec.Namespace] {
    [.init("mount")] + choices.filter { $0.choice == .private }.map { .init($0.type) }
  }

  /// Those of other containers, which are looked for at each start.
  var joined: [(type: String, kind: LaunchPlan.Namespaces, container: String)] {
    choices.compactMap { entry in
      if case .container(let name) = entry.choice { (entry.type, entry.kind, name) } else { nil }
    }
  }

  /// Those that are not the host's, whether new or another container's.
  var listed: [RuntimeSpec.Namespace] { new + joined.map { .init($0.type) } }

  /// Those that somebody else makes: other containers, and the engine for one that has networks.
  var joinedKinds: LaunchPlan.Namespaces {
    LaunchPlan.Namespaces(joined.map(\.kind)).union(hasNetworks ? .network : [])
  }

  /// What is the host's.
  var host: LaunchPlan.Namespaces {
    LaunchPlan.Namespaces(choices.filter { $0.choice == .host }.map(\.kind))
  }
}
