/// A container's configuration (OCI runtime specification, `config.json`), as far as the runner knows it.
/// Members that it does not know are ignored, as the specification asks.
package struct RuntimeSpec: Hashable, Sendable, Codable {
  package var ociVersion = "1.0.2"
  package var process: Process?
  package var root: Root
  package var hostname: String?
  package var domainname: String?
  package var mounts: [Mount]?
  package var hooks: Hooks?
  package var linux: Linux?
  package var annotations: [String: String]?

  package init(process: Process?, root: Root) {
    self.process = process
    self.root = root
  }

  package struct Root: Hashable, Sendable, Codable {
    package var path: String
    package var readonly: Bool?
    package init(path: String, readonly: Bool? = nil) {
      self.path = path
      self.readonly = readonly
    }
  }

  package struct Mount: Hashable, Sendable, Codable {
    package var destination: String
    package var type: String?
    package var source: String?
    package var options: [String]?
    package init(_ destination: String, type: String, source: String, options: [String] = []) {
      self.destination = destination
      self.type = type
      self.source = source
      self.options = options
    }
  }

  package struct Process: Hashable, Sendable, Codable {
    package var terminal: Bool?
    package var consoleSize: ConsoleSize?
    package var user: User
    package var args: [String]
    package var env: [String]?
    package var cwd: String
    package var capabilities: Capabilities?
    package var rlimits: [ResourceLimit]?
    package var noNewPrivileges: Bool?
    package var oomScoreAdj: Int32?
    package var apparmorProfile: String?
    package var selinuxLabel: String?

    package init(user: User, args: [String], env: [String], cwd: String) {
      self.user = user
      self.args = args
      self.env = env
      self.cwd = cwd
    }
  }

  /// In characters.
  package struct ConsoleSize: Hashable, Sendable, Codable {
    package var height: UInt
    package var width: UInt
    package init(height: UInt, width: UInt) {
      self.height = height
      self.width = width
    }
  }

  package struct User: Hashable, Sendable, Codable {
    package var uid: UInt32
    package var gid: UInt32
    package var umask: UInt16?
    package var additionalGids: [UInt32]?
    package init(uid: UInt32, gid: UInt32, additionalGids: [UInt32]? = nil) {
      self.uid = uid
      self.gid = gid
      self.additionalGids = additionalGids
    }
  }

  package struct Capabilities: Hashable, Sendable, Codable {
    package var bounding: [String]?
    package var effective: [String]?
    package var inheritable: [String]?
    package var permitted: [String]?
    package var ambient: [String]?
    package init(bounding: [String], effective: [String], permitted: [String]) {
      self.bounding = bounding
      self.effective = effective
      self.permitted = permitted
    }
  }

  package struct ResourceLimit: Hashable, Sendable, Codable {
    package var type: String
    package var hard: UInt64
    package var soft: UInt64

    package init(type: String, soft: UInt64, hard: UInt64) {
      self.type = type
      self.soft = soft
      self.hard = hard
    }
  }

  package struct Linux: Hashable, Sendable, Codable {
    package var namespaces: [Namespace]?
    package var devices: [Device]?
    package var uidMappings: [IDMapping]?
    package var gidMappings: [IDMapping]?
    package var rootfsPropagation: String?
    package var mountLabel: String?
    package var cgroupsPath: String?
    package var sysctl: [String: String]?
    package var seccomp: Seccomp?
    package var maskedPaths: [String]?
    package var readonlyPaths: [String]?
    package var resources: Resources?
    package init() {}
  }

  package struct Namespace: Hashable, Sendable, Codable {
    package var type: String
    package var path: String?
    package init(_ type: String, path: String? = nil) {
      self.type = type
      self.path = path
    }
  }

  package struct Device: Hashable, Sendable, Codable {
    package var path: String
    package var type: String
    package var major: UInt32?
    package var minor: UInt32?
    package var fileMode: UInt32?
    package var uid: UInt32?
    package var gid: UInt32?
    package init(_ path: String, major: UInt32, minor: UInt32) {
      self.path = path
      type = "c"
      self.major = major
      self.minor = minor
      fileMode = 0o666
    }
  }

  package struct Seccomp: Hashable, Sendable, Codable {
    package var defaultAction: String
    package var defaultErrnoRet: UInt32?
    package var architectures: [String]?
    package var syscalls: [Rule]?
    package init(defaultAction: String, defaultErrnoRet: UInt32?, syscalls: [Rule]) {
      self.defaultAction = defaultAction
      self.defaultErrnoRet = defaultErrnoRet
      self.syscalls = syscalls
    }

    package struct Rule: Hashable, Sendable, Codable {
      package var names: [String]
      package var action: String
      package var errnoRet: UInt32?
      package var args: [Argument]?
      package init(_ names: [String], _ action: String, errnoRet: UInt32? = nil, args: [Argument]? = nil) {
        self.names = names
        self.action = action
        self.errnoRet = errnoRet
        self.args = args
      }
    }

    package struct Argument: Hashable, Sendable, Codable {
      package var index: UInt32
      package var value: UInt64
      package var valueTwo: UInt64?
      package var op: String
      package init(_ index: UInt32, _ op: String, _ value: UInt64, _ valueTwo: UInt64? = nil) {
        self.index = index
        self.op = op
        self.value = value
        self.valueTwo = valueTwo
      }
    }
  }
}
