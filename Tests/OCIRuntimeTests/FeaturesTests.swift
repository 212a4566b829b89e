import EngineErrors
import Foundation
import OCIModel
import OCIRuntime
import Testing

@testable import Runner

@Suite("what coracle-runtime says that it can do")
struct FeaturesTests {
  private struct Features: Decodable {
    struct Linux: Decodable {
      struct Seccomp: Decodable { var actions, operators: [String] }
      var seccomp: Seccomp
    }
    var mountOptions: [String]
    var linux: Linux
  }

  private func features() throws -> Features {
    try JSONDecoder().decode(Features.self, from: JSONEncoder().encode(RuntimeFeatures()))
  }

  /// Whether an option is one of every mount, and not the file system's own.
  private func isKnown(_ option: String) throws -> Bool {
    let mount = RuntimeSpec.Mount("/x", type: "tmpfs", source: "/y", options: [option])
    switch try MountCompiler.operation(mount, canMap: true) {
    case .mount(_, _, _, _, let own): return own.isEmpty
    default: return true
    }
  }

  @Test("the mount options that are listed are the ones that are known")
  func mountOptions() throws {
    let listed = try features().mountOptions
    for option in listed { #expect(try isKnown(option), "\(option)") }
    #expect(Set(listed).count == listed.count)
    // Those that runc has, and some that are a file system's.
    let plain = [
      "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "idmap", "iversion",
      "lazytime", "loud", "mand", "noatime", "nodev", "nodiratime", "noexec", "nostrictatime", "nosuid",
      "nosymfollow", "private", "relatime", "remount", "ro", "rw", "shared", "silent", "slave",
      "strictatime", "suid", "symfollow", "sync", "unbindable", "mode=755", "size=1m", "norelatime",
    ]
    for option in plain + plain.map({ "r" + $0 }) {
      #expect(try isKnown(option) == listed.contains(option), "\(option)")
    }
    #expect(Set(["rro", "rshared", "ridmap", "rnosymfollow"]).isSubset(of: listed))
  }

  @Test("so are the actions and comparisons of seccomp")
  func seccomp() throws {
    let listed = try features().linux.seccomp
    func profile(_ action: String, _ comparison: String) throws -> RuntimeSpec.Seccomp {
      try JSONDecoder().decode(
        RuntimeSpec.Seccomp.self,
        from: Data(
          """
          {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getcwd"], "action": "\(action)",
            "args": [{"index": 0, "value": 1, "op": "\(comparison)"}]}]}
          """.utf8))
    }
    for action in listed.actions {
      #expect(throws: Never.self, "\(action)") {
        try SeccompCompiler.compile(profile(action, "SCMP_CMP_EQ"))
      }
    }
    for comparison in listed.operators {
      #expect(throws: Never.self, "\(comparison)") {
        try SeccompCompiler.compile(profile("SCMP_ACT_ERRNO", comparison))
      }
    }
    #expect(listed.actions.count == 8 && listed.operators.count == 7)
    let refused = #expect(throws: EngineError.self) {
      try SeccompCompiler.compile(profile("SCMP_ACT_NOTIFY", "SCMP_CMP_EQ"))
    }
    #expect(refused?.kind == .unsupported)
  }
}
