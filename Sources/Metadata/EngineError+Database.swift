internal import EngineErrors
internal import GRDB

extension EngineError {
  /// The one place where SQLite's result codes (sqlite.org/rescode.html) get their meaning.
  init(_ operation: String, database error: any Error, subject: String? = nil) {
    guard let error = error as? DatabaseError else {
      self.init(operation, wrapping: error, subject: subject)
      return
    }
    let (kind, hint): (ErrorKind, String?) =
      switch error.resultCode {
      case .SQLITE_BUSY, .SQLITE_LOCKED: (.conflict, "another coracle keeps the store busy; try again")
      case .SQLITE_FULL: (.noSpace, "free space on the file system that holds the store")
      case .SQLITE_CORRUPT, .SQLITE_NOTADB:
        (.corrupt, "move db.sqlite away and pull the images again")
      case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_CANTOPEN: (.permissionDenied, nil)
      case .SQLITE_INTERRUPT, .SQLITE_ABORT: (.cancelled, nil)
      case .SQLITE_CONSTRAINT: (Self.kind(ofConstraint: error.extendedResultCode), nil)
      default: (.internal, nil)
      }
    // Not `description`: it can hold the statement with its values.
    let cause = "sqlite: \(error.message ?? "unknown error") (\(error.extendedResultCode.rawValue))"
    self.init(kind, "cannot \(operation)", subject: subject, causes: [cause], hint: hint)
  }

  private static func kind(ofConstraint code: ResultCode) -> ErrorKind {
    switch code {
    case .SQLITE_CONSTRAINT_UNIQUE, .SQLITE_CONSTRAINT_PRIMARYKEY: .alreadyExists
    default: .conflict
    }
  }
}
