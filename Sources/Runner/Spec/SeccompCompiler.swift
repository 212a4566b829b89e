import CSeccomp
import EngineErrors
import LinuxSystem
import OCIModel
import Synchronization
import SystemPackage

/// OCI's seccomp profiles to the kernel's filter programs, through libseccomp.
package enum SeccompCompiler {
  // Compiling takes milliseconds, and most containers have the same profile.
  private static let compiled = Mutex<[RuntimeSpec.Seccomp: [UInt8]]>([:])

  /// - Throws: `invalidArgument` for an action or a comparison that does not exist.
  static func program(_ profile: RuntimeSpec.Seccomp) throws -> [UInt8] {
    if let known = compiled.withLock({ $0[profile] }) { return known }
    let program = try compile(profile).compacted().bytes
    compiled.withLock { known in
      if known.count >= 16 { known = [:] }
      known[profile] = program
    }
    return program
  }

  /// As libseccomp has it.
  static func compile(_ profile: RuntimeSpec.Seccomp) throws -> FilterProgram {
    let standard = try action(profile.defaultAction, profile.defaultErrnoRet)
    guard let filter = seccomp_init(standard) else { throw failed("start", 12) }
    defer { seccomp_release(filter) }
    // A tree instead of a list: a dozen comparisons for a call instead of some hundred.
    try check("order", seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2))
    let listed = profile.architectures.map(Set.init)
    for (name, architecture) in SeccompArchitecture.others where listed?.contains(name) ?? true {
      let result = seccomp_arch_add(filter, architecture)
      // -17: the native one is there already.
      try check("add an architecture to", result == -17 ? 0 : result)
    }
    for rule in profile.syscalls ?? [] {
      let action = try action(rule.action, rule.errnoRet)
      if action == standard { continue }
      let comparisons = try (rule.args ?? []).map(comparison)
      // Comparisons of one argument twice are alternatives, each of which libseccomp wants as a rule of its own.
      let areAlternatives = Set(comparisons.map(\.arg)).count < comparisons.count
      let alternatives = areAlternatives ? comparisons.map { [$0] } : [comparisons]
      for name in rule.names {
        let number = seccomp_syscall_resolve_name(name)
        // A call that this libseccomp does not know is denied as all that are not named.
        if number == -1 { continue }
        for arguments in alternatives {
          let result = seccomp_rule_add_array(filter, action, number, UInt32(arguments.count), arguments)
          // -17: that rule is there already.
          try check("add \(name) to", result == -17 ? 0 : result)
        }
      }
    }
    return FilterProgram(bytes: try export(filter))
  }

  private static func export(_ filter: scmp_filter_ctx) throws -> [UInt8] {
    // libseccomp writes to a descriptor only.
    let memory = try memoryFile("seccomp")
    defer { try? memory.close() }
    try check("export", seccomp_export_bpf(filter, memory.rawValue))
    let size = try memory.seek(offset: 0, from: .end)
    guard size > 0, size <= 4096 * 8 else { throw failed("export", 7) }
    var program = [UInt8](repeating: 0, count: Int(size))
    _ = try program.withUnsafeMutableBytes { try memory.read(fromAbsoluteOffset: 0, into: $0) }
    return program
  }

  /// The kernel's number of each, and whether an error number goes with it.
  private static let actionTable: [String: (number: UInt32, takesErrno: Bool)] = [
    "SCMP_ACT_ALLOW": (0x7fff_0000, false), "SCMP_ACT_ERRNO": (0x0005_0000, true),
    "SCMP_ACT_KILL": (0, false), "SCMP_ACT_KILL_THREAD": (0, false),
    "SCMP_ACT_KILL_PROCESS": (0x8000_0000, false), "SCMP_ACT_TRAP": (0x0003_0000, false),
    "SCMP_ACT_LOG": (0x7ffc_0000, false), "SCMP_ACT_TRACE": (0x7ff0_0000, true),
  ]
  private static let operatorTable: [String: scmp_compare] = [
    "SCMP_CMP_NE": SCMP_CMP_NE, "SCMP_CMP_LT": SCMP_CMP_LT, "SCMP_CMP_LE": SCMP_CMP_LE,
    "SCMP_CMP_EQ": SCMP_CMP_EQ, "SCMP_CMP_GE": SCMP_CMP_GE, "SCMP_CMP_GT": SCMP_CMP_GT,
    "SCMP_CMP_MASKED_EQ": SCMP_CMP_MASKED_EQ,
  ]
  package static var actions: [String] { actionTable.keys.sorted() }
  package static var operators: [String] { operatorTable.keys.sorted() }

  private static func action(_ name: String, _ errno: UInt32?) throws -> UInt32 {
    if let action = actionTable[name] {
      return action.number | (action.takesErrno ? (errno ?? 1) & 0xffff : 0)
    }
    if name == "SCMP_ACT_NOTIFY" {
      throw EngineError(
        .unsupported, "the seccomp action \(name) is not supported: nobody would answer it",
        subject: "linux.seccomp")
    }
    throw EngineError(.invalidArgument, "not a seccomp action: \(name)", subject: "linux.seccomp")
  }

  private static func comparison(_ argument: RuntimeSpec.Seccomp.Argument) throws -> scmp_arg_cmp {
    guard let op = operatorTable[argument.op], argument.index < 6 else {
      throw EngineError(
        .invalidArgument, "not a seccomp comparison: \(argument.op)", subject: "linux.seccomp")
    }
    return scmp_arg_cmp(arg: argument.index, op: op, datum_a: argument.value, datum_b: argument.valueTwo ?? 0)
  }

  private static func check(_ what: String, _ result: Int32) throws {
    if result < 0 { throw failed(what, -result) }
  }

  private static func failed(_ what: String, _ errno: Int32) -> EngineError {
    EngineError("\(what) a seccomp filter", SystemError("libseccomp", Errno(rawValue: errno)))
  }
}
