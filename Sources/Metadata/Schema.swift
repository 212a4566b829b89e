internal import EngineErrors
internal import GRDB

/// The tables, and the way from one version of them to the next (`PRAGMA user_version`).
enum Schema {
  static let version = 1

  /// Brings a database to `version`; one read where it is there already.
  ///
  /// Two processes may do this at once: the second finds the work done.
  static func prepare(_ database: Database) throws {
    guard try found(in: database) < version else { return }
    try database.inTransaction(.immediate) {
      if try found(in: database) < 1 { try database.execute(sql: first) }
      try database.execute(sql: "PRAGMA user_version = \(version)")
      return .commit
    }
  }

  private static func found(in database: Database) throws -> Int {
    let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    guard found <= version else {
      throw EngineError(
        .unsupported,
        "cannot use the store: its metadata is of version \(found), this program knows \(version)",
        hint: "use the coracle version that wrote this store, or a later one")
    }
    return found
  }

  private static let first = """
    CREATE TABLE images (
      manifestDigest TEXT PRIMARY KEY, mediaType TEXT NOT NULL, configDigest TEXT NOT NULL,
      size INTEGER NOT NULL, platform TEXT NOT NULL, layers TEXT NOT NULL, created TEXT, createdAt INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE tags (
      reference TEXT PRIMARY KEY, manifestDigest TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
      createdAt INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tagsOfImage ON tags (manifestDigest);
    CREATE TABLE containers (
      id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,
      imageDigest TEXT NOT NULL REFERENCES images ON DELETE RESTRICT, imageName TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('created', 'running', 'exited')), pid INTEGER,
      createdAt INTEGER NOT NULL, startedAt INTEGER, finishedAt INTEGER,
      exitCode INTEGER, signal INTEGER, isLost INTEGER NOT NULL DEFAULT 0, options TEXT NOT NULL
    ) STRICT;
    CREATE TABLE events (
      number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, kind TEXT NOT NULL,
      subject TEXT NOT NULL, attributes TEXT NOT NULL
    ) STRICT;
    CREATE TABLE epochs (
      epoch INTEGER PRIMARY KEY, bootID TEXT NOT NULL, firstNumber INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX containersOfImage ON containers (imageDigest);
    """
}
