import Engine
import EngineErrors
import RPCModel

/// Mounts, namespaces and system calls of containers, as the wire has them, and back.
extension MountOptions {
  init(_ mount: RPCModel.Mount) {
    let kind: Kind =
      switch mount.kind {
      case .bind: .bind
      case .tmpfs: .tmpfs
      case .volume: .volume
      }
    self.init(kind, target: mount.target)
    source = mount.source
    subpath = mount.subpath
    copiesContent = mount.copiesContent
    labels = mount.labels
    isReadOnly = mount.readOnly ?? false
    createsSource = mount.createsSource ?? false
    isRecursive = mount.recursive ?? true
    propagation =
      switch mount.propagation ?? .private {
      case .private: .private
      case .slave: .slave
      case .shared: .shared
      }
    isIDMapped = mount.idmapped ?? false
    sizeBytes = mount.sizeBytes.map(Int64.init)
    mode = mount.mode
    options = mount.options ?? []
  }
}

extension RPCModel.Mount {
  init(_ mount: MountOptions) {
    let isBind = mount.kind == .bind
    let kind: MountKind =
      switch mount.kind {
      case .bind: .bind
      case .tmpfs: .tmpfs
      case .volume: .volume
      }
    let propagation: MountPropagation =
      switch mount.propagation {
      case .private: .private
      case .slave: .slave
      case .shared: .shared
      }
    self.init(
      kind: kind, target: mount.target, source: mount.source, subpath: mount.subpath,
      copiesContent: mount.copiesContent, labels: mount.labels, readOnly: mount.isReadOnly,
      createsSource: isBind ? mount.createsSource : nil, recursive: isBind ? mount.isRecursive : nil,
      propagation: isBind ? propagation : nil, idmapped: isBind ? mount.isIDMapped : nil,
      sizeBytes: mount.sizeBytes.map(Int.init), mode: mount.mode,
      options: mount.options.isEmpty ? nil : mount.options)
  }
}

extension Engine.SeccompChoice {
  init(_ choice: RPCModel.SeccompChoice) throws(EngineError) {
    switch choice.mode {
    case .default: self = .default
    case .unconfined: self = .unconfined
    case .custom:
      guard let profile = choice.profile else {
        throw EngineError(
          .invalidArgument, "a custom seccomp profile is not given", subject: "seccomp.profile",
          hint: "give profile, or the mode default")
      }
      self = .custom(profile)
    }
  }
}

extension RPCModel.SeccompChoice {
  init(_ choice: Engine.SeccompChoice) {
    switch choice {
    case .default: self.init(mode: .default)
    case .unconfined: self.init(mode: .unconfined)
    case .custom(let profile): self.init(mode: .custom, profile: profile)
    }
  }
}

extension Engine.NamespaceChoice {
  init(_ choice: RPCModel.NamespaceChoice) throws(EngineError) {
    switch choice.mode {
    case .private: self = .private
    case .host: self = .host
    case .container:
      guard let container = choice.container else {
        throw EngineError(
          .invalidArgument, "the container whose namespace is to be joined is not named",
          subject: "container",
          hint: "give the name or the id of one that runs")
      }
      self = .container(container)
    }
  }
}

extension RPCModel.NamespaceChoice {
  init(_ choice: Engine.NamespaceChoice) {
    switch choice {
    case .private: self.init(mode: .private)
    case .host: self.init(mode: .host)
    case .container(let name): self.init(mode: .container, container: name)
    }
  }
}

extension Engine.NetworkMode {
  init(_ mode: RPCModel.NetworkMode) {
    switch mode {
    case .none: self = .none
    case .bridge: self = .bridge
    case .host: self = .host
    case .container: self = .container
    }
  }
}

extension RPCModel.NetworkMode {
  init(_ mode: Engine.NetworkMode) {
    switch mode {
    case .none: self = .none
    case .bridge: self = .bridge
    case .host: self = .host
    case .container: self = .container
    }
  }
}
