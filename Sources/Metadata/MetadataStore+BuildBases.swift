package import EngineErrors
internal import GRDB
package import OCIModel

/// What names were when builds began with them: so that one can say what has changed, and find an image whose name went on to
/// another platform's.
extension MetadataStore {
  /// Of each name and platform as many are known.
  private static let mostBases = 10

  /// The last one first.
  package func buildBases(named name: String, _ platform: Platform) throws(EngineError) -> [BuildBase] {
    try read("look up what builds began with", subject: name) { database in
      let statement = try database.cachedStatement(
        sql: "SELECT manifest, config FROM buildBases WHERE name = ? AND platform = ? ORDER BY usedAt DESC")
      return try Row.fetchAll(statement, arguments: [name, platform.description]).map { row in
        try BuildBase(name: name, platform: platform, manifest: row.digest(0), config: row.digest(1))
      }
    }
  }

  static func insert(_ bases: [BuildBase], at time: Int64, in database: Database) throws {
    for base in bases {
      let platform = base.platform.description
      try database.execute(
        sql: """
          INSERT INTO buildBases (name, platform, config, manifest, usedAt) VALUES (?, ?, ?, ?, ?)
          ON CONFLICT (name, platform, config) DO UPDATE SET manifest = excluded.manifest, usedAt = excluded.usedAt
          """,
        arguments: [base.name, platform, base.config.description, base.manifest.description, time])
      try database.execute(
        sql: """
          DELETE FROM buildBases WHERE name = ? AND platform = ? AND config NOT IN (
            SELECT config FROM buildBases WHERE name = ? AND platform = ? ORDER BY usedAt DESC LIMIT ?)
          """, arguments: [base.name, platform, base.name, platform, Self.mostBases])
    }
  }
}
