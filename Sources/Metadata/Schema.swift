internal import EngineErrors
internal import GRDB

/// The tables, and the way from one version of them to the next (`PRAGMA user_version`).
enum Schema {
  static let version = 9

  /// Brings a database to `version`; one read where it is there already.
  ///
  /// Two processes may do this at once: the second finds the work done.
  static func prepare(_ database: Database) throws {
    guard try found(in: database) < version else { return }
    try database.inTransaction(.immediate) {
      let steps = [first, second, third, fourth, fifth, sixth, seventh, eighth, ninth]
      for (number, step) in steps.enumerated() where try found(in: database) <= number {
        try database.execute(sql: step)
      }
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

  static let first = """
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

  /// What each image takes up on the disk, and how much of it alone, and its names in order, one a line. The triggers keep
  /// them true: a list of ten thousand images is then one look at each row.
  private static let second = """
    ALTER TABLE images ADD COLUMN layerCount INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE images ADD COLUMN totalBytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE images ADD COLUMN uniqueBytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE images ADD COLUMN names TEXT;
    UPDATE images SET layerCount = json_array_length(layers), names =
      (SELECT group_concat(reference, char(10)) FROM
        (SELECT reference FROM tags WHERE tags.manifestDigest = images.manifestDigest ORDER BY reference));
    -- With all that a list tells, so that it need not read the layers.
    CREATE INDEX imagesByAge ON images
      (createdAt DESC, manifestDigest, platform, created, size, layerCount, totalBytes, uniqueBytes, names);

    CREATE TRIGGER tagAdded AFTER INSERT ON tags BEGIN
      UPDATE images SET names = (SELECT group_concat(reference, char(10)) FROM
          (SELECT reference FROM tags WHERE manifestDigest = NEW.manifestDigest ORDER BY reference))
        WHERE manifestDigest = NEW.manifestDigest;
    END;
    CREATE TRIGGER tagRemoved AFTER DELETE ON tags BEGIN
      UPDATE images SET names = (SELECT group_concat(reference, char(10)) FROM
          (SELECT reference FROM tags WHERE manifestDigest = OLD.manifestDigest ORDER BY reference))
        WHERE manifestDigest = OLD.manifestDigest;
    END;

    CREATE TABLE content (
      id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('blob', 'layer')), digest TEXT NOT NULL,
      bytes INTEGER, images INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, digest)
    ) STRICT;
    CREATE TABLE imageContent (
      image TEXT NOT NULL REFERENCES images ON DELETE CASCADE, content INTEGER NOT NULL REFERENCES content,
      PRIMARY KEY (image, content)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX imagesOfContent ON imageContent (content, image);

    CREATE TRIGGER contentUsed AFTER INSERT ON imageContent BEGIN
      UPDATE content SET images = images + 1 WHERE id = NEW.content;
      UPDATE images SET uniqueBytes = uniqueBytes - used.bytes
        FROM (SELECT ifnull(bytes, 0) AS bytes, images AS users FROM content WHERE id = NEW.content) AS used
        WHERE used.users = 2 AND manifestDigest =
          (SELECT image FROM imageContent WHERE content = NEW.content AND image <> NEW.image);
      UPDATE images SET totalBytes = totalBytes + used.bytes,
          uniqueBytes = uniqueBytes + iif(used.users = 1, used.bytes, 0)
        FROM (SELECT ifnull(bytes, 0) AS bytes, images AS users FROM content WHERE id = NEW.content) AS used
        WHERE manifestDigest = NEW.image;
    END;
    CREATE TRIGGER contentReleased AFTER DELETE ON imageContent BEGIN
      UPDATE content SET images = images - 1 WHERE id = OLD.content;
      UPDATE images SET uniqueBytes = uniqueBytes + used.bytes
        FROM (SELECT ifnull(bytes, 0) AS bytes, images AS users FROM content WHERE id = OLD.content) AS used
        WHERE used.users = 1 AND manifestDigest = (SELECT image FROM imageContent WHERE content = OLD.content);
      DELETE FROM content WHERE id = OLD.content AND images = 0;
    END;
    CREATE TRIGGER contentMeasured AFTER UPDATE OF bytes ON content BEGIN
      UPDATE images SET totalBytes = totalBytes + NEW.bytes - ifnull(OLD.bytes, 0),
          uniqueBytes = uniqueBytes + iif(NEW.images = 1, NEW.bytes - ifnull(OLD.bytes, 0), 0)
        WHERE manifestDigest IN (SELECT image FROM imageContent WHERE content = NEW.id);
    END;

    CREATE TEMP TABLE items AS
      SELECT manifestDigest AS image, 'blob' AS kind, manifestDigest AS digest FROM images
      UNION SELECT manifestDigest, 'blob', configDigest FROM images
      UNION SELECT manifestDigest, 'blob', value ->> '$.descriptor.digest' FROM images, json_each(layers)
      UNION SELECT manifestDigest, 'layer', value ->> '$.key' FROM images, json_each(layers);
    INSERT INTO content (kind, digest) SELECT DISTINCT kind, digest FROM items;
    INSERT INTO imageContent SELECT image, id FROM items JOIN content USING (kind, digest);
    DROP TABLE items;
    """

  /// Containers that are held or wait for their next start, and what is known of their lives. A table's check cannot be
  /// changed, so the table is made anew.
  private static let third = """
    CREATE TABLE newContainers (
      id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,
      imageDigest TEXT NOT NULL REFERENCES images ON DELETE RESTRICT, imageName TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('created', 'running', 'paused', 'restarting', 'exited')), pid INTEGER,
      createdAt INTEGER NOT NULL, startedAt INTEGER, finishedAt INTEGER,
      exitCode INTEGER, signal INTEGER, isLost INTEGER NOT NULL DEFAULT 0, options TEXT NOT NULL,
      restartCount INTEGER NOT NULL DEFAULT 0, livesRead INTEGER NOT NULL DEFAULT 0,
      isStopped INTEGER NOT NULL DEFAULT 0,
      health TEXT CHECK (health IN ('starting', 'healthy', 'unhealthy')),
      outOfMemoryKills INTEGER NOT NULL DEFAULT 0, session TEXT
    ) STRICT;
    INSERT INTO newContainers (id, name, imageDigest, imageName, state, pid, createdAt, startedAt, finishedAt,
        exitCode, signal, isLost, options)
      SELECT id, name, imageDigest, imageName, state, pid, createdAt, startedAt, finishedAt,
        exitCode, signal, isLost, options FROM containers;
    DROP TABLE containers;
    ALTER TABLE newContainers RENAME TO containers;
    CREATE INDEX containersOfImage ON containers (imageDigest);
    CREATE INDEX containersOfSession ON containers (session) WHERE session IS NOT NULL;
    """

  /// Networks, who is connected to them, and a name for the store in places that it shares with others.
  private static let fourth = """
    CREATE TABLE networks (
      id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, bridge TEXT NOT NULL UNIQUE,
      subnet4 TEXT, gateway4 TEXT, subnet6 TEXT, gateway6 TEXT, mtu INTEGER NOT NULL,
      isInternal INTEGER NOT NULL, labels TEXT NOT NULL, createdAt INTEGER NOT NULL, session TEXT,
      lastNumber INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE endpoints (
      network TEXT NOT NULL REFERENCES networks ON DELETE RESTRICT,
      container TEXT NOT NULL REFERENCES containers ON DELETE CASCADE,
      number INTEGER NOT NULL, address4 TEXT, address6 TEXT, aliases TEXT NOT NULL,
      PRIMARY KEY (network, container), UNIQUE (container, number), UNIQUE (network, address4),
      UNIQUE (network, address6)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE identity (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    INSERT INTO identity VALUES (lower(hex(randomblob(4))));
    """

  /// What builds have made, and what of it stays for the next ones: blobs and trees that no image need have.
  private static let fifth = """
    CREATE TABLE buildSteps (
      key TEXT PRIMARY KEY, parent TEXT NOT NULL, source TEXT NOT NULL, inputs TEXT NOT NULL, layer TEXT,
      blob TEXT, tree TEXT, canonical TEXT, milliseconds INTEGER NOT NULL, createdAt INTEGER NOT NULL,
      usedAt INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX buildStepsOfParent ON buildSteps (parent, source);
    CREATE INDEX buildStepsOfSource ON buildSteps (source, usedAt);
    """

  /// Volumes, and which containers use them. Who removes a container need not know of them: its uses go with it.
  private static let sixth = """
    CREATE TABLE volumes (
      name TEXT PRIMARY KEY, isAnonymous INTEGER NOT NULL, createdAt INTEGER NOT NULL, unusedSince INTEGER NOT NULL,
      labels TEXT NOT NULL, session TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE volumeUses (
      volume TEXT NOT NULL REFERENCES volumes ON DELETE RESTRICT,
      container TEXT NOT NULL REFERENCES containers ON DELETE CASCADE,
      PRIMARY KEY (volume, container)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX volumesOfContainer ON volumeUses (container);
    CREATE TRIGGER volumeReleased AFTER DELETE ON volumeUses BEGIN
      UPDATE volumes SET unusedSince = CAST(strftime('%s', 'now') AS INTEGER) * 1000000000 WHERE name = OLD.volume;
    END;
    """
  /// What RUNs of builds are connected to, who are no containers. It goes with the build, or with its session.
  private static let seventh = """
    CREATE TABLE buildEndpoints (
      id TEXT PRIMARY KEY, network TEXT NOT NULL REFERENCES networks ON DELETE RESTRICT, session TEXT NOT NULL,
      address4 TEXT, address6 TEXT, UNIQUE (network, address4), UNIQUE (network, address6)
    ) STRICT, WITHOUT ROWID;
    """

  /// Which images builds have begun with.
  private static let eighth = """
    CREATE TABLE buildBases (
      name TEXT NOT NULL, platform TEXT NOT NULL, config TEXT NOT NULL, manifest TEXT NOT NULL,
      usedAt INTEGER NOT NULL, PRIMARY KEY (name, platform, config)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE buildSteps DROP COLUMN canonical;
    """

  /// Since when nothing is connected to a network; and where the store was seen last, which a copy of it has as well: the path of
  /// its database, and which file that is.
  private static let ninth = """
    ALTER TABLE networks ADD COLUMN unusedSince INTEGER NOT NULL DEFAULT 0;
    UPDATE networks SET unusedSince = CAST(strftime('%s', 'now') AS INTEGER) * 1000000000;
    CREATE TRIGGER networkReleased AFTER DELETE ON endpoints BEGIN
      UPDATE networks SET unusedSince = CAST(strftime('%s', 'now') AS INTEGER) * 1000000000 WHERE id = OLD.network;
    END;
    CREATE TRIGGER networkReleasedByBuild AFTER DELETE ON buildEndpoints BEGIN
      UPDATE networks SET unusedSince = CAST(strftime('%s', 'now') AS INTEGER) * 1000000000 WHERE id = OLD.network;
    END;
    ALTER TABLE identity ADD COLUMN path TEXT;
    ALTER TABLE identity ADD COLUMN file TEXT;
    """
}
