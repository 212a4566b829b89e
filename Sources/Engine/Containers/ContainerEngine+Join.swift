import EngineErrors
import Metadata
import OCIModel
import Runner

extension ContainerEngine {
  /// A container's configuration with the namespaces of others that it is to have this time.
  ///
  /// - Returns: also those namespaces, which stay what they are while they are held: until the container has started.
  /// - Throws: `notFound` for a container that is not there, `conflict` for one that does not run.
  func joining(_ spec: RuntimeSpec, _ options: ContainerOptions) throws -> (RuntimeSpec, [HeldNamespace]) {
    let joined = try NamespacePlan(options).joined
    guard !joined.isEmpty else { return (spec, []) }
    var spec = spec
    var linux = spec.linux ?? .init()
    var held: [HeldNamespace] = []
    for (type, kind, container) in joined {
      let target = try metadata.container(matching: container)
      do {
        let namespace = try runner.namespace(kind, of: target.id)
        held.append(namespace)
        linux.namespaces = (linux.namespaces ?? []) + [.init(type, path: namespace.path)]
        if kind == .ipc, let member = namespace.member { spec.shareMemory(ofProcess: member) }
      } catch {
        guard error.kind == .conflict else { throw error }
        throw EngineError(
          .conflict, "cannot join the \(type) namespace of container \(target.name): it does not run",
          subject: target.id, hint: "start it first")
      }
      if kind == .network { shareNetworkFiles(of: target.id, &spec) }
    }
    spec.linux = linux
    return (spec, held)
  }

  /// A new network namespace for one run of a container, and for all that its shim starts again: the shim keeps it.
  func ownNetwork(_ spec: inout RuntimeSpec) async throws -> HeldNamespace {
    let namespace = HeldNamespace(try await hostNetwork().makeNamespace())
    spec.join(network: namespace)
    return namespace
  }

  /// Who has the network of another container has its names too.
  private func shareNetworkFiles(of id: String, _ spec: inout RuntimeSpec) {
    let directory = snapshots.containerDirectory(id)
    let shared: [BoundFile] = [.hosts, .resolvConf]
    spec.mounts = spec.mounts?.map { mount in
      guard let file = shared.first(where: { $0.target == mount.destination }) else { return mount }
      var mount = mount
      mount.source = directory.appending(file.rawValue).string
      return mount
    }
  }
}

extension RuntimeSpec {
  /// Takes a network namespace in the place of one of its own.
  mutating func join(network: HeldNamespace) {
    let others = (linux?.namespaces ?? []).filter { $0.type != "network" }
    linux?.namespaces = others + [.init("network", path: network.path)]
  }

  /// POSIX shared memory is files: who joins an IPC namespace has the directory of those who are in it, unless the container
  /// has something else there.
  fileprivate mutating func shareMemory(ofProcess pid: Int32) {
    mounts = mounts?.map { mount in
      guard mount.destination == "/dev/shm", mount.type == "tmpfs", mount.source == "shm" else {
        return mount
      }
      return Mount(
        "/dev/shm", type: "bind", source: "/dev/shm",
        options: ["bind", "nosuid", "noexec", "nodev", MountCompiler.processOption + "\(pid)"])
    }
  }
}
