/// The one error type that crosses module borders in the engine: a kind for programs, a sentence for people.
package struct EngineError: Error, Sendable, Hashable, CustomStringConvertible {
  package var kind: ErrorKind
  /// One lower-case sentence without a full stop that names the operation and the object.
  package var message: String
  /// The object the failure is about: a reference, a digest, a container id, a path.
  package var subject: String?
  /// What led to it, the nearest cause first.
  package var causes: [String]
  /// What the person can do about it.
  package var hint: String?
  package var isRetriable: Bool
  /// How long somebody else asks to wait before another try.
  package var retryAfter: Duration?
  /// The id of the container that is kept to look into the failure.
  package var container: String?
  /// Where a command could not be executed, what a shell would answer: 127 or 126.
  package var exitCode: Int?

  package init(
    _ kind: ErrorKind, _ message: String, subject: String? = nil, causes: [String] = [],
    hint: String? = nil, retriable: Bool? = nil
  ) {
    self.kind = kind
    self.message = message
    self.subject = subject
    self.causes = causes
    self.hint = hint
    self.isRetriable = retriable ?? kind.isRetriable
  }

  /// With a hint where it has none yet.
  package func hinting(_ hint: String) -> EngineError {
    var error = self
    error.hint = error.hint ?? hint
    return error
  }

  package var description: String {
    ([message] + causes).joined(separator: ": ")
  }

  /// The error for work that was cancelled by its caller.
  package static func cancelled(_ operation: String) -> EngineError {
    EngineError(.cancelled, "\(operation) was cancelled")
  }
}
