/// One thing that the engine needs of the machine, and how it is with it.
package struct Finding: Sendable, Hashable, Codable {
  package enum Verdict: String, Sendable, Codable {
    case good
    /// Something that many do without does not work.
    case limited
    /// No container runs.
    case missing
  }

  /// What it is about, in a word or two.
  package var about: String
  package var verdict: Verdict
  /// How it is, and what does not work therefore.
  package var text: String
  /// What a shell takes that mends it, where need be with a comment on when it does; nil for what is good.
  package var remedy: String?

  package static func good(_ about: String, _ text: String) -> Finding {
    Finding(about: about, verdict: .good, text: text)
  }

  static func limited(_ about: String, _ text: String, remedy: String) -> Finding {
    Finding(about: about, verdict: .limited, text: text, remedy: remedy)
  }

  package static func missing(_ about: String, _ text: String, remedy: String) -> Finding {
    Finding(about: about, verdict: .missing, text: text, remedy: remedy)
  }

  /// All that there is to say of a machine, in the order in which a start needs it.
  package static func all(_ facts: MachineFacts) -> [Finding] {
    let findings =
      [kernel(facts), overlay(facts), seccomp(facts)] + userNamespace(facts) + [controlGroups(facts)]
      + networks(facts) + directories(facts)
    return findings.map { $0.remedied(by: facts.user) }
  }

  /// Root may do all of it, and a machine where only root works has no sudo.
  package func remedied(by user: MachineFacts.User) -> Finding {
    guard user.isRoot else { return self }
    var finding = self
    finding.remedy = remedy?.replacing("sudo ", with: "")
    return finding
  }
}
