import EngineErrors
import Foundation
import LinuxSystem
import Metadata
import Networking
import OCIModel
import Runner
import SystemPackage

/// Names follow the connections: a name stands in the hosts files of a network's containers from the connection to its end, as
/// the address is the container's own for as long. So a start, an end and a restart change none.
extension ContainerEngine {
  /// A container's host name, and then the part of its hosts file that is its own; beside it in its directory, where the
  /// container does not have it.
  static var ownHosts: FilePath.Component { "hosts.own" }

  /// Writes what a container that is being made has of its own.
  func writeOwnNames(
    _ options: ContainerOptions, _ spec: RuntimeSpec, _ networks: [NetworkRecord], into directory: FilePath
  ) async throws {
    let own = NameFiles.ownHosts(
      hostname: nil, options, gateways: try await hostAddresses(options, networks))
    try writeNewFile(directory.appending(Self.ownHosts), Array("\(spec.hostname ?? "")\n\(own)".utf8))
  }

  /// The addresses by which a container of these networks reaches the host, where it wants to know them.
  ///
  /// An ordinary user's bridges are in a namespace of the user's, which has the gateways: the host is behind pasta, and is
  /// reached by its own address, as from elsewhere.
  ///
  /// - Throws: `invalidArgument` where no way leads to it.
  private func hostAddresses(_ options: ContainerOptions, _ networks: [NetworkRecord]) async throws
    -> [String]
  {
    guard options.wantsHostAddress else { return [] }
    guard userNetwork != nil else {
      return [networks.first?.gateway4, networks.first?.gateway6].compactMap(\.self)
    }
    let open = networks.filter { !$0.isInternal }
    var found: [String] = []
    for (family, isThere) in [
      (IPAddress.Family.v4, open.contains { $0.gateway4 != nil }),
      (.v6, open.contains { $0.gateway6 != nil }),
    ] where isThere {
      if let address = try await ownHostNetwork.outwardAddress(family) { found.append(address.description) }
    }
    if found.isEmpty {
      throw EngineError(
        .invalidArgument, "there is no way to the host for \(HostAddress.hostGateway)", subject: "extraHosts",
        hint: open.isEmpty
          ? "connect it to a network that is not internal as well"
          : "connect the machine first, or give an address")
    }
    return found
  }

  /// The host's addresses may be others by now than when the container was made. Where it has none, the former ones stay.
  private func refreshHostAddresses(
    of container: String, _ options: ContainerOptions, _ networks: [String]
  ) async throws {
    let records = try networks.compactMap { try metadata.network(id: $0) }
    guard let addresses = try? await hostAddresses(options, records), !addresses.isEmpty else { return }
    let path = snapshots.containerDirectory(container).appending(Self.ownHosts)
    let hostname = try readSmallFile(path, limit: 1 << 20).prefix { $0 != "\n" }
    let own = NameFiles.ownHosts(hostname: nil, options, gateways: addresses)
    try replaceContent(path, "\(hostname)\n\(own)")
  }

  /// Writes the hosts files of all containers of networks that run, and of one more.
  ///
  /// - Returns: what that one's has of others.
  @discardableResult
  func writeNames(_ networks: [String], and container: String? = nil) async throws -> String {
    let names = try await refreshHosts(networks, and: container)
    Failpoint.hostsWritten.pass()
    return names
  }

  /// The same for what has been done already, and stays so where that cannot be written: the next look tries it again.
  func tellNames(of networks: [String], and container: String? = nil) async {
    do { try await writeNames(networks, and: container) } catch {
      log.warning("cannot write the names that containers know: \(error)")
    }
  }

  /// The same in a service's own time.
  @discardableResult
  func refreshHosts(_ networks: [String], and asked: String? = nil) async throws -> String {
    if networks.isEmpty && asked == nil { return "" }
    return try await onBlockingThread("names") { [self] in
      let lock = try locks.holdNetworks()
      defer { lock.release() }
      var parts: [String: String] = [:]
      func part(_ network: String) throws -> String {
        if let part = parts[network] { return part }
        let part = try NameFiles.hosts(metadata.members(ofNetwork: network))
        parts[network] = part
        return part
      }
      var written = ""
      var containers = try metadata.liveMembers(ofNetworks: networks)
      if let asked, !containers.contains(asked) { containers.append(asked) }
      // Of many it is quicker to read all at once.
      let all = containers.count > 8 ? try Dictionary(grouping: metadata.endpoints(), by: \.container) : nil
      for container in containers {
        let endpoints = try all.map { $0[container] ?? [] } ?? metadata.endpoints(container: container)
        do {
          let names = try endpoints.map { try part($0.network) }.joined()
          try writeHosts(of: container, endpoints, names)
          if container == asked { written = names }
        } catch  where container != asked {
          // Others have to know of the change all the same.
          log.warning("cannot write the names that container \(container.prefix(12)) knows: \(error)")
        }
      }
      return written
    }
  }

  /// Writes the hosts file of a container once more whose row says by now that it runs: who changed names before that wrote those
  /// of others only.
  ///
  /// - Parameter written: what it has of others; nil where that is not known.
  func catchUpNames(of container: String, _ written: String? = nil) async {
    do {
      let networks = try metadata.endpoints(container: container).map(\.network)
      let names = try networks.map { try NameFiles.hosts(metadata.members(ofNetwork: $0)) }.joined()
      if networks.isEmpty || names == written { return }
      try await refreshHosts([], and: container)
    } catch {
      log.warning("cannot write the names that container \(container.prefix(12)) knows: \(error)")
    }
  }

  /// In place, since the container has this file and not its name. One that goes meanwhile is left out.
  private func writeHosts(of container: String, _ endpoints: [EndpointRecord], _ names: String) throws {
    let directory = snapshots.containerDirectory(container)
    do {
      let own = try readSmallFile(directory.appending(Self.ownHosts), limit: 1 << 20)
        .split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
      var text = own.count > 1 ? String(own[1]) : ""
      let addresses = endpoints.first.map { [$0.address4, $0.address6].compactMap(\.self) } ?? ["127.0.0.1"]
      if let hostname = own.first, !hostname.isEmpty {
        for address in addresses { text += "\(address)\t\(hostname)\n" }
      }
      try replaceContent(directory.appending(BoundFile.hosts.rawValue), text + names)
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
    } catch let error as Errno where error == .noSuchFileOrDirectory {}
  }

  /// Brings a container's own files up to date before it starts.
  ///
  /// - Returns: what its hosts file has of others.
  func refreshNames(of container: String, _ options: ContainerOptions) async throws -> String {
    let networks = try metadata.endpoints(container: container).map(\.network)
    try replaceContent(
      snapshots.containerDirectory(container).appending(BoundFile.resolvConf.rawValue),
      resolvers(options.nameServers))
    if options.wantsHostAddress { try await refreshHostAddresses(of: container, options, networks) }
    return try await writeNames(networks, and: container)
  }

  /// The text of a resolv.conf in a network of the engine's.
  func resolvers(_ asked: NameServers?) -> String {
    NameFiles.nameServers(asked, otherwise: userNetwork.map { _ in UserNetwork.resolver }) {
      try? String(contentsOfFile: $0, encoding: .utf8)
    }
  }

  /// Without a moment in which a reader finds it empty; one that is so already is left alone.
  func replaceContent(_ path: FilePath, _ text: String) throws {
    let file = try FileDescriptor.open(path, .readWrite, options: [.closeOnExec, .noFollow])
    try file.closeAfter {
      let bytes = Array(text.utf8)
      // The container can have made it as long as it likes.
      let found = try [UInt8](unsafeUninitializedCapacity: bytes.count + 1) { buffer, count in
        count = try file.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
      }
      if found == bytes { return }
      _ = try file.writeAll(toAbsoluteOffset: 0, bytes)
      try file.resize(to: Int64(bytes.count))
    }
  }
}
