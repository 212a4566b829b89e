/// The names of instructions.
package enum Keyword: String, Sendable, Hashable, CaseIterable {
  case add = "ADD"
  case arg = "ARG"
  case cmd = "CMD"
  case copy = "COPY"
  case entrypoint = "ENTRYPOINT"
  case env = "ENV"
  case expose = "EXPOSE"
  case from = "FROM"
  case healthcheck = "HEALTHCHECK"
  case label = "LABEL"
  case maintainer = "MAINTAINER"
  case onbuild = "ONBUILD"
  case run = "RUN"
  case shell = "SHELL"
  case stopsignal = "STOPSIGNAL"
  case user = "USER"
  case volume = "VOLUME"
  case workdir = "WORKDIR"
}

/// One instruction. Its words are as they are written; `StageScope` gives their variables values.
package struct Instruction: Hashable, Sendable {
  package var keyword: Keyword
  /// The keyword as it is written.
  package var written: String
  package var range: SourceRange
  /// The whole instruction in one line, without its heredocs.
  package var source: String
  /// The comments right before it.
  package var comments: [String]
  package var content: Content
  /// Given by the image below, as ONBUILD.
  package var isTrigger = false

  package enum Content: Hashable, Sendable {
    case from(BaseImage)
    case run(RunStep)
    case copy(Transfer)
    case add(Transfer)
    case env([Assignment])
    case arg([ArgumentDeclaration])
    case label([Assignment])
    case expose([Word])
    case user(Word)
    case workdir(Word)
    case volume([Word])
    case stopSignal(Word)
    case command(StepCommand)
    case entrypoint(StepCommand)
    case shell([String])
    case healthcheck(HealthTest)
    /// The instruction that is carried out by builds from the image, with its heredocs.
    case onBuild(String)
    case maintainer(String)
  }
}

/// What FROM says.
package struct BaseImage: Hashable, Sendable {
  /// An image, an earlier stage, or `scratch`.
  package var image: Word
  /// In lower case.
  package var name: String?
  package var writtenName: String?
  /// How AS is written.
  package var writtenAs: String?
  package var platform: Word?
}

/// `NAME=value` of ENV and LABEL.
package struct Assignment: Hashable, Sendable {
  package var name: Word
  package var value: Word
  /// `NAME value`, the form of old.
  package var isLegacy = false
}

package struct ArgumentDeclaration: Hashable, Sendable {
  package var name: Word
  package var value: Word?
}

/// A command as RUN, CMD, ENTRYPOINT and HEALTHCHECK have it.
package enum StepCommand: Hashable, Sendable {
  /// For the shell of the stage. Heredocs are the shell's, but for a command that is nothing but one.
  case shell(String, heredocs: [Heredoc] = [])
  case exec([String])
}

package struct RunStep: Hashable, Sendable {
  package var command: StepCommand
  /// Those with variables in them are only whole after `StageScope.expand`.
  package var mounts: [RunMount]
  package var network: Network
  package var isInsecure: Bool
  package var devices: [Word]

  package enum Network: String, Hashable, Sendable, CaseIterable { case `default`, none, host }
}

/// What COPY and ADD say.
package struct Transfer: Hashable, Sendable {
  package var sources: [Word]
  package var inline: [InlineFile]
  package var destination: Word
  /// COPY's: a stage, its number, or an image.
  package var from: Word?
  package var owner: Word?
  package var mode: Word?
  package var isLinked = false
  package var excludes: [Word] = []
  package var keepsParents = false
  // ADD's.
  package var checksum: Word?
  package var keepsGitDirectory: Bool?
  package var unpacks: Bool?

  package init(sources: [Word], inline: [InlineFile], destination: Word) {
    self.sources = sources
    self.inline = inline
    self.destination = destination
  }

  /// A file that a heredoc is the content of.
  package struct InlineFile: Hashable, Sendable {
    package var name: String
    package var content: String
    package var expands: Bool
    /// The content where it is no UTF-8.
    package var bytes: [UInt8]?
  }
}

package struct HealthTest: Hashable, Sendable {
  /// Nil for NONE.
  package var command: StepCommand?
  // In nanoseconds; 0 for the default.
  package var interval: Int64 = 0
  package var timeout: Int64 = 0
  package var startPeriod: Int64 = 0
  package var startInterval: Int64 = 0
  package var retries: Int64 = 0
}
