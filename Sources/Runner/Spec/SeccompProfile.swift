package import EngineErrors
import FoundationEssentials
package import OCIModel
import LinuxSystem

/// Seccomp profiles as people write them: OCI's `linux.seccomp`, or Docker's form, whose rules say for which architectures,
/// kernels and capabilities they are.
package enum SeccompProfile {
  private static let sizeLimit = 1 << 20

  /// - Parameters:
  ///   - text: JSON of at most 1 MiB.
  ///   - capabilities: what the container has.
  /// - Returns: a profile that the kernel takes; calls that this machine does not know are left out, as Docker does.
  /// - Throws: `invalidArgument` that says what is wrong where.
  package static func parse(_ text: String, capabilities: [String]) throws(EngineError) -> RuntimeSpec.Seccomp
  {
    guard text.utf8.count <= sizeLimit else {
      throw EngineError(
        .invalidArgument, "the seccomp profile is larger than \(sizeLimit) bytes", subject: "seccomp.profile")
    }
    do {
      let document = try JSONDecoder().decode(Document.self, from: Data(text.utf8))
      let profile = try document.profile(capabilities: Set(capabilities))
      _ = try SeccompCompiler.program(profile)
      return profile
    } catch let error as DecodingError {
      throw EngineError(
        .invalidArgument, "the seccomp profile is none: \(describe(error))", subject: "seccomp.profile",
        hint: "it is JSON as linux.seccomp of an OCI configuration, or as a profile of Docker's")
    } catch {
      var wrapped = EngineError("use the seccomp profile", wrapping: error, subject: "seccomp.profile")
      wrapped.kind = .invalidArgument
      throw wrapped
    }
  }

  private static func describe(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context) -> String {
      context.codingPath.reduce("") { path, key in
        if let index = key.intValue { return path + "[\(index)]" }
        return path.isEmpty ? key.stringValue : path + ".\(key.stringValue)"
      }
    }
    switch error {
    case .keyNotFound(let key, let context):
      let place = path(context)
      return "\(place.isEmpty ? "" : place + ": ")\(key.stringValue) is missing"
    case .typeMismatch(let type, let context): return "\(path(context)) is no \(type)"
    case .valueNotFound(_, let context): return "\(path(context)) is null"
    case .dataCorrupted(let context):
      return path(context).isEmpty ? "it is not JSON" : "\(path(context)): \(context.debugDescription)"
    @unknown default: return "it cannot be read"
    }
  }
}

private struct Document: Decodable {
  var defaultAction: String
  var defaultErrnoRet: UInt32?
  var architectures: [String]?
  var archMap: [ArchitectureMap]?
  var syscalls: [Rule]?

  struct ArchitectureMap: Decodable {
    var architecture: String
    var subArchitectures: [String]?
  }

  struct Rule: Decodable {
    var names: [String]?
    /// As old profiles have it.
    var name: String?
    var action: String
    var errnoRet: UInt32?
    var args: [RuntimeSpec.Seccomp.Argument]?
    var includes: Filter?
    var excludes: Filter?
  }

  struct Filter: Decodable {
    var arches: [String]?
    var caps: [String]?
    var minKernel: String?
  }

  func profile(capabilities: Set<String>) throws(EngineError) -> RuntimeSpec.Seccomp {
    var rules: [RuntimeSpec.Seccomp.Rule] = []
    for rule in syscalls ?? [] {
      let names = (rule.names ?? []) + (rule.name.map { [$0] } ?? [])
      guard !names.isEmpty else {
        throw EngineError(.invalidArgument, "a rule names no system call", subject: "seccomp.profile")
      }
      if let filter = rule.includes, !filter.applies(capabilities) { continue }
      if let filter = rule.excludes, filter.matchesAny(capabilities) { continue }
      rules.append(.init(names, rule.action, errnoRet: rule.errnoRet, args: rule.args))
    }
    var profile = RuntimeSpec.Seccomp(
      defaultAction: defaultAction, defaultErrnoRet: defaultErrnoRet, syscalls: rules)
    profile.architectures = architectures ?? mappedArchitectures
    return profile
  }

  private var mappedArchitectures: [String]? {
    archMap?.first { $0.architecture == SeccompArchitecture.native }
      .map { [$0.architecture] + ($0.subArchitectures ?? []) }
  }
}

extension Document.Filter {
  private var kernelMatches: Bool? { minKernel.map { isKernel(atLeast: $0) } }
  private var archMatches: Bool? {
    guard let arches, !arches.isEmpty else { return nil }
    return arches.contains(SeccompArchitecture.goName)
  }

  /// All that is said holds.
  func applies(_ capabilities: Set<String>) -> Bool {
    (archMatches ?? true) && (kernelMatches ?? true) && (caps ?? []).allSatisfy(capabilities.contains)
  }

  /// Something that is said holds.
  func matchesAny(_ capabilities: Set<String>) -> Bool {
    (archMatches ?? false) || (kernelMatches ?? false) || (caps ?? []).contains(where: capabilities.contains)
  }

  private func isKernel(atLeast version: String) -> Bool {
    func numbers(_ text: String) -> [Int] {
      text.split(separator: ".").prefix(2).map { Int($0.prefix { $0.isNumber }) ?? 0 }
    }
    return !numbers(kernelRelease()).lexicographicallyPrecedes(numbers(version))
  }
}

/// This machine's architecture as profiles name it.
enum SeccompArchitecture {
  #if arch(x86_64)
    static let native = "SCMP_ARCH_X86_64"
    static let goName = "amd64"
    /// Those that the kernel runs programs of besides, and libseccomp's numbers (linux/audit.h).
    static let others: [String: UInt32] = ["SCMP_ARCH_X86": 0x4000_0003, "SCMP_ARCH_X32": 0x4000_003e]
  #elseif arch(arm64)
    static let native = "SCMP_ARCH_AARCH64"
    static let goName = "arm64"
    static let others: [String: UInt32] = ["SCMP_ARCH_ARM": 0x4000_0028]
  #else
    static let native = ""
    static let goName = ""
    static let others: [String: UInt32] = [:]
  #endif
}
