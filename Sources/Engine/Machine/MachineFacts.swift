package import Runner

/// What `coracle doctor` looks at, as plain values: what they mean is `Finding`'s to say.
package struct MachineFacts: Sendable {
  package struct User: Sendable {
    package var id: UInt32
    package var name: String?
    package var isRoot: Bool { id == 0 }

    package init(id: UInt32, name: String?) {
      self.id = id
      self.name = name
    }
  }

  /// What a directory is on.
  package struct FileSystem: Sendable {
    /// The directory, there or not.
    package var path: String
    /// As mountinfo calls it.
    package var type: String
    package var freeBytes: Int64

    package init(path: String, type: String, freeBytes: Int64) {
      self.path = path
      self.type = type
      self.freeBytes = freeBytes
    }
  }

  package var user: User
  /// As uname(2) has it.
  package var kernel: String
  /// The distribution's release by its name, as `bookworm`; nil where it has none.
  package var release: String?
  /// The names of /proc/filesystems.
  package var fileSystems: Set<String>
  /// Those that are loaded, built in, or loaded at their first use; nil where nobody can tell, as without /lib/modules.
  package var modules: Set<String>?
  /// Those of the sysctls in question that exist, by their dotted names.
  package var sysctls: [String: String]
  /// The texts of /etc/subuid and /etc/subgid.
  package var subordinateUsers = ""
  package var subordinateGroups = ""
  /// Programs and libraries that were found.
  package var programs: Set<String>
  package var canOpenTunnels: Bool
  package var hasSeccomp: Bool
  package var controlGroups: ControlGroupLayout
  package var store: FileSystem?
  package var run: FileSystem?
  /// Whether the user's processes go on when nobody is logged in; nil where no login manager ends them.
  package var lingers: Bool?

  package init(
    user: User, kernel: String, fileSystems: Set<String>, sysctls: [String: String], programs: Set<String>,
    canOpenTunnels: Bool, hasSeccomp: Bool, controlGroups: ControlGroupLayout
  ) {
    self.user = user
    self.kernel = kernel
    self.fileSystems = fileSystems
    self.sysctls = sysctls
    self.programs = programs
    self.canOpenTunnels = canOpenTunnels
    self.hasSeccomp = hasSeccomp
    self.controlGroups = controlGroups
  }
}
