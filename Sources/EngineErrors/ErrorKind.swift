/// What a failure means to a program, the same words as on the wire.
package enum ErrorKind: String, Sendable, Hashable, CaseIterable {
  case notFound
  case alreadyExists
  case inUse
  case conflict
  case invalidArgument
  case unauthorized
  case unreachable
  case digestMismatch
  case corrupt
  case noSpace
  case unsupported
  case permissionDenied
  case timedOut
  case cancelled
  case buildFailed
  case `internal`

  /// Whether the same request may succeed later with nothing changed by the caller.
  package var isRetriable: Bool {
    switch self {
    case .unreachable, .timedOut, .digestMismatch, .conflict: true
    default: false
    }
  }
}
