import EngineErrors
import LinuxSystem
import OCIModel
import Runner
import SystemPackage

extension RuntimeSpec {
  /// The configuration of a container: what the image says, what the caller asks for, and the defaults.
  ///
  /// - Parameters:
  ///   - volumes: their mounts.
  ///   - directory: the container's, with the files that are bound into it.
  ///   - lowers: the image's layers, the uppermost first; for the users that it knows.
  /// - Throws: `invalidArgument` where there is no command, `notFound` for a user that the image does not have.
  static func container(
    id: String, image: ImageConfig, options: ContainerOptions, volumes: [Mount], directory: FilePath,
    lowers: [FilePath], configuration: EngineConfiguration
  ) throws -> RuntimeSpec {
    let config = image.config ?? .init()
    let entrypoint = options.entrypoint ?? config.entrypoint ?? []
    let command = options.command ?? (options.entrypoint == nil ? config.cmd : nil) ?? []
    guard !(entrypoint + command).isEmpty else {
      throw EngineError(
        .invalidArgument, "there is no command to run", subject: options.image,
        hint: "image \(options.image) names none; give one")
    }
    let users = UserDatabase(layers: lowers)
    let user = try users.resolve(options.user ?? config.user ?? "")
    var process = Process(
      user: User(user),
      args: entrypoint + command,
      env: environment(config.env ?? [], options, id: id, home: user.home),
      cwd: options.workingDirectory ?? config.workingDir.flatMap { $0.isEmpty ? nil : $0 } ?? "/")
    process.setTerminal(options.terminal)
    process.capabilities = defaultCapabilities
    process.noNewPrivileges = options.noNewPrivileges
    process.rlimits = configuration.openFiles.map {
      [ResourceLimit(type: "RLIMIT_NOFILE", soft: $0.soft, hard: $0.hard)]
    }
    var spec = RuntimeSpec(process: process, root: Root(path: "rootfs", readonly: options.hasReadOnlyRoot))
    let namespaces = try NamespacePlan(options)
    let hasUsers = options.userNamespace == .auto
    spec.hostname = hostname(id, options)
    spec.linux = defaultLinux(namespaces: namespaces.new)
    spec.mounts =
      defaultMounts(
        host: hasUsers ? namespaces.host.union(namespaces.joinedKinds) : namespaces.host,
        isRootless: configuration.isRootless || hasUsers)
      + [.controlGroups(namespaces.cgroup)]
      + BoundFile.allCases.map {
        Mount(
          $0.target, type: "bind", source: directory.appending($0.rawValue).string,
          options: hasUsers ? ["bind", "idmap"] : ["bind"])
      }
    try spec.limit(options)
    try spec.isolate(
      options, users, volumes: volumes, isWithinUserNamespace: configuration.isRootless || hasUsers,
      isRootless: configuration.isRootless)
    return spec
  }

  private static func hostname(_ id: String, _ options: ContainerOptions) -> String {
    if options.utsNamespace == .host { return machineName() }
    return options.hostname ?? String(id.prefix(12))
  }

  private static func environment(_ image: [String], _ options: ContainerOptions, id: String, home: String)
    -> [String]
  {
    var environment = image
    func isSet(_ name: String) -> Bool { environment.contains { $0.hasPrefix("\(name)=") } }
    if !isSet("PATH") {
      environment.insert("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", at: 0)
    }
    if !isSet("HOSTNAME") { environment.append("HOSTNAME=\(hostname(id, options))") }
    if !isSet("HOME") { environment.append("HOME=\(home)") }
    return environment.settingVariables(options.environment)
  }
}

/// Files of the engine that a container sees in its /etc. They are bound over the image's, so that what the engine
/// says is not part of the writable layer.
enum BoundFile: String, CaseIterable {
  case hostname
  case hosts
  case resolvConf = "resolv.conf"

  var target: String { "/etc/\(rawValue)" }

  func content(_ spec: RuntimeSpec, _ options: ContainerOptions, host: (String) -> String?) -> String {
    switch self {
    case .hostname: return (spec.hostname ?? "localhost") + "\n"
    case .hosts:
      guard options.network == .host, let text = host("/etc/hosts") else {
        return NameFiles.ownHosts(
          hostname: spec.hostname, options, gateways: options.network == .host ? ["127.0.0.1"] : [])
      }
      return text + NameFiles.extraHosts(options, gateways: ["127.0.0.1"])
    case .resolvConf:
      switch options.network {
      // It is written before each start.
      case .bridge: return ""
      case .host: return host("/etc/resolv.conf") ?? ""
      case .none, .container:
        return options.nameServers == nil ? "" : NameFiles.nameServers(options.nameServers, host: host)
      }
    }
  }
}

extension RuntimeSpec.User {
  /// Its own group is among the supplementary ones, as login programs have it: without, who changes its group would be rid
  /// of one by which it is kept from something (CVE-2022-36109).
  init(_ identity: UserDatabase.Identity) {
    self.init(
      uid: identity.uid, gid: identity.gid, additionalGids: Set(identity.groups + [identity.gid]).sorted())
  }
}

extension RuntimeSpec.Mount {
  /// What programs read to learn how much they may use: the container's own control group, read-only, or the host's.
  ///
  /// It is there where the container has a group from its start: with v2 that is always so, and this is one mount; with v1 it is
  /// a mount for each of a dozen hierarchies, which would be a good part of a start that asks for no limit.
  fileprivate static func controlGroups(_ namespace: NamespaceChoice) -> RuntimeSpec.Mount {
    let place = "/sys/fs/cgroup"
    let isolated = ["nosuid", "noexec", "nodev"]
    if namespace == .host {
      return .init(place, type: "bind", source: place, options: ["rbind"] + isolated + ["rro"])
    }
    return .init(place, type: "cgroup", source: "cgroup", options: isolated + ["relatime", "ro"])
  }
}

extension RuntimeSpec {
  /// Paths that exist in a container only for something to be mounted on them.
  static func mountPoints(_ spec: RuntimeSpec) -> Set<String> {
    var paths: Set<String> = []
    for mount in spec.mounts ?? [] {
      var path = FilePath(mount.destination)
      while path.components.count > 0 {
        paths.insert(path.string)
        path.removeLastComponent()
      }
    }
    return paths
  }
}
