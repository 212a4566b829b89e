package import LinuxSystem
package import SystemPackage

/// The one place where an errno gets its meaning.
extension EngineError {
  /// Wraps a failed system call as the cause of a failed operation.
  ///
  /// - Parameter operation: a lower-case phrase for what was attempted, such as `unpack layer sha256:…`.
  package init(_ operation: String, _ error: SystemError, subject: String? = nil) {
    self.init(
      ErrorKind(error.errno), "cannot \(operation)", subject: subject ?? error.subject,
      causes: [error.description], hint: Self.hint(for: error))
  }

  /// Wraps any error: an `EngineError` keeps its kind, a failed system call gets one, anything else is
  /// internal.
  package init(_ operation: String, wrapping error: any Error, subject: String? = nil) {
    switch error {
    case let error as EngineError:
      self = error
    case let error as SystemError:
      self.init(operation, error, subject: subject)
    case let error as Errno:
      self.init(operation, SystemError(operation, error, on: subject))
    case is CancellationError:
      self = .cancelled(operation)
    default:
      self.init(.internal, "cannot \(operation)", subject: subject, causes: ["\(error)"])
    }
  }

  private static func hint(for error: SystemError) -> String? {
    switch error.errno {
    case .noSpace, .diskQuotaExceeded: "free space on the file system that holds the store"
    // Where the process may open more files, it is the user who has too many of these.
    case .tooManyOpenFiles where error.call == "inotify_init1":
      "raise the limit on watches of a user (sysctl fs.inotify.max_user_instances) or on open files (ulimit -n)"
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem: "raise the limit on open files (ulimit -n)"
    default: nil
    }
  }
}

extension ErrorKind {
  package init(_ errno: Errno) {
    switch errno {
    case .noSuchFileOrDirectory, .noSuchProcess: self = .notFound
    case .fileExists: self = .alreadyExists
    case .resourceBusy, .directoryNotEmpty: self = .inUse
    case .noSpace, .diskQuotaExceeded: self = .noSpace
    case .permissionDenied, .notPermitted, .readOnlyFileSystem: self = .permissionDenied
    case .invalidArgument, .fileNameTooLong, .tooManySymbolicLinkLevels: self = .invalidArgument
    case .notSupported, .noFunction: self = .unsupported
    case .connectionRefused, .hostIsDown, .noRouteToHost, .networkUnreachable, .timedOut:
      self = .unreachable
    case .canceled: self = .cancelled
    default: self = .internal
    }
  }
}
