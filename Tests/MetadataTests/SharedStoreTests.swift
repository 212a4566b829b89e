import Dispatch
import EngineErrors
import Foundation
import OCIModel
import SystemPackage
import TestSupport
import Testing

@testable import Metadata

/// Runs each job on a thread of its own, which may wait.
private final class ThreadForEachJob: TaskExecutor {
  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    Thread.detachNewThread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}

/// Several services, or damage, at one database. Each `MetadataStore` has a connection of its own, as another
/// process has.
@Suite struct SharedStoreTests {
  @Test func oneOfTwoRecordsTheExit() async throws {
    try await withDatabasePath { path in
      let stores = try [MetadataStore(path: path), MetadataStore(path: path)]
      let one = image("one")
      try await stores[0].recordImage(one, at: 1)
      for round in 0..<50 {
        let id = "c\(round)"
        try await stores[0].insertContainer(container(id, of: one))
        #expect(try await stores[1].markRunning(id, pid: 1, at: 1))
        let winners = try await withThrowingTaskGroup { group in
          for (code, store) in stores.enumerated() {
            group.addTask {
              try await store.markExited(id, exit: .exited(code: Int32(code)), at: 2) ? code : nil
            }
          }
          return try await group.reduce(into: [Int]()) { if let code = $1 { $0.append(code) } }
        }
        #expect(winners.count == 1)
        let recorded = try stores[0].container(id: id)?.exit
        #expect(recorded == winners.first.map { .exited(code: Int32($0)) })
      }
    }
  }

  @Test func oneOfManyTakesAName() async throws {
    try await withDatabasePath { path in
      let one = image("one")
      try await MetadataStore(path: path).recordImage(one, at: 1)
      let kinds = try await withThrowingTaskGroup { group in
        for number in 0..<6 {
          group.addTask {
            let store = try MetadataStore(path: path)
            return await kind {
              try await store.insertContainer(container("c\(number)", name: "web", of: one))
            }
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(kinds.filter { $0 == nil }.count == 1)
      #expect(kinds.filter { $0 == .alreadyExists }.count == 5)
    }
  }

  @Test func manyOpenAnEmptyStoreAtOnce() async throws {
    for _ in 0..<5 {
      try await withDatabasePath { path in
        try await withThrowingTaskGroup { group in
          for _ in 0..<8 {
            group.addTask { try MetadataStore(path: path).images() }
          }
          for try await images in group { #expect(images.isEmpty) }
        }
      }
    }
  }

  @Test func waitsForAnotherWriterOnlySoLong() async throws {
    try await withDatabasePath { path in
      let holder = try MetadataStore(path: path)
      let waiter = try MetadataStore(path: path, busyTimeout: 0.05)
      let (held, isHeld) = AsyncStream.makeStream(of: Void.self)
      let release = DispatchSemaphore(value: 0)
      // The body is run by whoever calls, and no thread of the pool is to wait.
      let holding = Task(executorPreference: ThreadForEachJob()) {
        try await holder.write("hold", .process) { _ in
          isHeld.yield()
          release.wait()
        }
      }
      try await held.first("word that it is held")
      let refusal = await failure { try await waiter.recordImage(image("one"), at: 1) }
      #expect(refusal?.kind == .conflict)
      #expect(refusal?.isRetriable == true)
      #expect(refusal?.hint != nil)
      // Readers see the last committed state meanwhile.
      #expect(try waiter.images().isEmpty)
      release.signal()
      try await holding.value
      try await waiter.recordImage(image("one"), at: 1)
      #expect(try holder.images().count == 1)
    }
  }

  @Test func aCancelledCallChangesNothing() async throws {
    try await withStore { store async throws in
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        return await kind { try await store.recordImage(image("one"), at: 1) }
      }
      #expect(await task.value == .cancelled)
      #expect(try store.images().isEmpty)
    }
  }

  @Test func refusesALaterSchema() async throws {
    try await withDatabasePath { path in
      _ = try MetadataStore(path: path).images()
      // The user version of SQLite's file header (sqlite.org/fileformat.html, 1.3).
      try patch(path, at: 60, with: [0, 0, 0, 99])
      let error = #expect(throws: EngineError.self) { try MetadataStore(path: path) }
      #expect(error?.kind == .unsupported)
      #expect(error?.hint != nil)
    }
  }

  @Test func reportsAFileThatIsNoDatabase() async throws {
    try await withDatabasePath { path in
      try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path.string))
      #expect(await kind { try MetadataStore(path: path) } == .corrupt)
    }
  }

  @Test func reportsDamagedPages() async throws {
    try await withDatabasePath { path in
      try await MetadataStore(path: path).recordImage(image("one"), at: 1)
      let size = try Data(contentsOf: URL(fileURLWithPath: path.string)).count
      try patch(path, at: 4096, with: [UInt8](repeating: 0xFF, count: size - 4096))
      #expect(await kind { try MetadataStore(path: path).images() } == .corrupt)
    }
  }

  @Test func reportsRowsThatNoCoracleWrote() async throws {
    try await withDatabasePath { path in
      try await MetadataStore(path: path).recordImage(image("one"), at: 1)
      let hex = Array(digest("one").hex.utf8)
      var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path.string)))
      var patched = 0
      for index in bytes.indices.dropLast(64)
      where bytes[index] == hex[0] && bytes[index..<(index + 64)].elementsEqual(hex) {
        bytes[index] = UInt8(ascii: "X")
        patched += 1
      }
      #expect(patched > 0)
      try Data(bytes).write(to: URL(fileURLWithPath: path.string))
      #expect(await kind { try MetadataStore(path: path).images() } == .corrupt)
    }
  }

  @Test func needsItsDirectory() async {
    #expect(await kind { try MetadataStore(path: "/nonexistent/db.sqlite") } == .notFound)
  }

  @Test func isReadByItsOwnerOnly() async throws {
    try await withDatabasePath { path in
      let store = try MetadataStore(path: path)
      try await store.recordImage(image("one"), at: 1)
      for suffix in ["", "-wal", "-shm"] {
        let attributes = try FileManager.default.attributesOfItem(atPath: path.string + suffix)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
      }
    }
  }

  @Test(.enabled(if: geteuid() == 0, "mounts a tmpfs"))
  func aFullDiskTakesNoHalfRows() async throws {
    try await withDatabasePath { path in
      let parent = path.removingLastComponent().string
      try #require(mount("tmpfs", parent, "tmpfs", 0, "size=400k") == 0)
      defer { umount2(parent, Int32(MNT_DETACH)) }
      let store = try MetadataStore(path: path)
      var count = 0
      var refusal: EngineError?
      while refusal == nil {
        let layers = (0..<50).map { "layer \(count) \($0)" }
        refusal = await failure {
          try await store.recordImage(image("image \(count)", layers: layers), at: 1)
        }
        if refusal == nil { count += 1 }
      }
      #expect(refusal?.kind == .noSpace)
      #expect(refusal?.hint != nil)
      #expect(count > 0)
      #expect(try store.images().count == count)
      try #require(mount("tmpfs", parent, "tmpfs", UInt(MS_REMOUNT), "size=4m") == 0)
      try await store.recordImage(image("last"), at: 1)
      #expect(try MetadataStore(path: path).images().count == count + 1)
    }
  }
}

private func patch(_ path: FilePath, at offset: Int64, with bytes: [UInt8]) throws {
  let file = try FileDescriptor.open(path, .writeOnly)
  defer { try? file.close() }
  _ = try file.writeAll(toAbsoluteOffset: offset, bytes)
}
