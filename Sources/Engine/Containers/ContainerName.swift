import EngineErrors

/// The names of containers.
enum ContainerName {
  private static let qualities = [
    "amber", "brisk", "calm", "deft", "eager", "fair", "gentle", "hardy", "keen", "light", "merry", "nimble",
    "open", "plain", "quick", "ready", "sound", "tidy", "upright", "vivid", "warm", "young", "bold", "clear",
  ]
  private static let vessels = [
    "barge", "bark", "canoe", "catboat", "clipper", "cog", "curragh", "cutter", "dhow", "dinghy", "dory",
    "felucca", "galley", "gig", "hoy", "junk", "kayak", "ketch", "lugger", "pinnace", "proa", "punt", "raft",
    "schooner", "shallop", "skiff", "sloop", "smack", "tender", "trireme", "umiak", "wherry", "yawl",
  ]

  /// A name for a container that was given none; `isTaken` tells which are in use.
  static func generate(isTaken: (String) throws -> Bool) rethrows -> String {
    for attempt in 0... {
      let name = "\(qualities.randomElement() ?? "calm")-\(vessels.randomElement() ?? "cog")"
      let candidate = attempt < 8 ? name : "\(name)-\(Int.random(in: 2...99_999))"
      if try !isTaken(candidate) { return candidate }
    }
    return "container"
  }

  /// - Throws: `invalidArgument` for what cannot be told from an id or used in a path.
  static func validate(_ name: String) throws {
    guard name.wholeMatch(of: #/[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}/#) != nil else {
      throw EngineError(
        .invalidArgument, "not a container name: '\(name.prefix(200))'", subject: name,
        hint: "a name is a letter or digit and then letters, digits, '_', '.' and '-'")
    }
  }

  /// A new container's id: 64 random hexadecimal digits.
  static func newIdentifier() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<4).map { _ in
      let digits = String(generator.next(), radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}
