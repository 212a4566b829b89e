import Foundation
package import Testing

/// What a test needs of the process that runs it, beyond what an ordinary user has.
package enum Privilege: String, Sendable {
  /// Mounting file systems (CAP_SYS_ADMIN).
  case mount = "root mount"
  /// Giving files to any user, making device nodes, setting trusted attributes.
  case root = "root"
  /// Making network namespaces, and interfaces in them (CAP_SYS_ADMIN, CAP_NET_ADMIN).
  case networks = "root's networks"

  package var isPresent: Bool {
    switch self {
    case .networks: geteuid() == 0 && hasCapabilities([12, 21])
    case .mount: hasCapabilities([21])
    // CAP_CHOWN, CAP_SYS_ADMIN (for trusted.*), CAP_MKNOD
    case .root: geteuid() == 0 && hasCapabilities([0, 21, 27])
    }
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips the test, by name and with the reason, where the privilege is missing. With CORACLE_TEST_ALL=1
  /// in the environment the test fails instead, so that a run that should prove everything does.
  package static func requires(_ privilege: Privilege) -> Self {
    .enabled("needs \(privilege.rawValue)") {
      if privilege.isPresent { return true }
      if ProcessInfo.processInfo.environment["CORACLE_TEST_ALL"] == "1" { throw MissingPrivilege(privilege) }
      return false
    }
  }
}

struct MissingPrivilege: Error, CustomStringConvertible {
  let privilege: Privilege

  init(_ privilege: Privilege) { self.privilege = privilege }

  var description: String { "CORACLE_TEST_ALL=1, but this process lacks: \(privilege.rawValue)" }
}

/// Whether all these capabilities (capabilities(7), by number) are effective.
private func hasCapabilities(_ numbers: [UInt64]) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix("CapEff:") }),
    let mask = UInt64(line.dropFirst("CapEff:".count).trimmingCharacters(in: .whitespaces), radix: 16)
  else { return false }
  return numbers.allSatisfy { mask & (1 << $0) != 0 }
}
