import EngineErrors
import OCIModel
import Testing

@testable import Metadata

@Suite struct ContainerTests {
  private func withImage(_ body: (MetadataStore, ImageRecord) async throws -> Void) async throws {
    try await withStore { store in
      let one = image("one")
      try await store.recordImage(one, at: 1)
      try await body(store, one)
    }
  }

  @Test func goesThroughItsLife() async throws {
    try await withImage { store, one in
      var expected = container("aa11", name: "web", of: one)
      try await store.insertContainer(expected)
      #expect(try store.container(id: "aa11") == expected)

      #expect(try await store.markRunning("aa11", pid: 42, at: 6))
      (expected.state, expected.pid, expected.startedAt) = (.running, 42, 6)
      #expect(try store.container(id: "aa11") == expected)
      #expect(try await store.markRunning("aa11", pid: 43, at: 7) == false)
      #expect(try await store.removeContainer("aa11") == false)

      #expect(try await store.markExited("aa11", exit: .signalled(signal: 9), at: 8))
      (expected.state, expected.pid, expected.finishedAt) = (.exited, nil, 8)
      expected.exit = .signalled(signal: 9)
      #expect(try store.container(id: "aa11") == expected)
      #expect(try await store.markExited("aa11", exit: .exited(code: 0), at: 9) == false)

      #expect(try await store.markRunning("aa11", pid: 44, at: 10))
      (expected.state, expected.pid, expected.startedAt) = (.running, 44, 10)
      (expected.finishedAt, expected.exit) = (nil, nil)
      #expect(try store.container(id: "aa11") == expected)
      #expect(try await store.markExited("aa11", exit: .exited(code: 127), at: 11))
      #expect(try store.container(id: "aa11")?.exit == .exited(code: 127))

      #expect(try await store.removeContainer("aa11"))
      #expect(try await store.removeContainer("aa11") == false)
      #expect(try store.container(id: "aa11") == nil)
      #expect(try await store.markRunning("aa11", pid: 45, at: 12) == false)
    }
  }

  @Test func anEndThatNobodySawIsMarked() async throws {
    try await withImage { store, one in
      try await store.insertContainer(container("aa11", of: one))
      #expect(try await store.markRunning("aa11", pid: 1, at: 1))
      #expect(try await store.markExited("aa11", exit: .signalled(signal: 9), at: 2, isLost: true))
      let found = try store.container(id: "aa11")
      #expect(found?.state == .exited)
      #expect(found?.isLost == true)
    }
  }

  @Test func namesAndIDsAreUnique() async throws {
    try await withImage { store, one in
      try await store.insertContainer(container("aa11", name: "web", of: one))
      for (other, subject) in [
        (container("bb22", name: "web", of: one), "web"), (container("aa11", name: "db", of: one), "aa11"),
      ] {
        let refusal = await failure { try await store.insertContainer(other) }
        #expect(refusal?.kind == .alreadyExists)
        #expect(refusal?.subject == subject)
      }
      #expect(try store.containers().count == 1)
      #expect(try await store.removeContainer("aa11"))
      try await store.insertContainer(container("bb22", name: "web", of: one))
    }
  }

  @Test func needsItsImage() async throws {
    try await withStore { store async throws in
      #expect(
        await kind { try await store.insertContainer(container("aa11", of: image("one"))) } == .notFound)
      #expect(try store.containers().isEmpty)
    }
  }

  @Test func isFoundByIDNameAndBeginning() async throws {
    try await withImage { store, one in
      // A name that looks like another's id does not hide that one.
      for (id, name) in [("aa11", "web"), ("aa22", "aa1"), ("bb33", "bb")] {
        try await store.insertContainer(container(id, name: name, of: one))
      }
      let found = [
        ("aa11", "aa11"), ("web", "aa11"), ("aa2", "aa22"), ("aa1", "aa22"), ("bb", "bb33"), ("b", "bb33"),
      ]
      for (text, id) in found { #expect(try store.container(matching: text).id == id) }
      #expect(await kind { try store.container(matching: "aa") } == .invalidArgument)
      for text in ["", "cc", "*", "a?11", "WEB", "we"] {
        #expect(await kind { try store.container(matching: text) } == .notFound)
      }
    }
  }

  @Test func listsByState() async throws {
    try await withImage { store, one in
      for id in ["aa", "bb", "cc"] { try await store.insertContainer(container(id, of: one)) }
      #expect(try await store.markRunning("bb", pid: 1, at: 1))
      #expect(try store.containers(in: [.running]).map(\.id) == ["bb"])
      #expect(try store.containers(in: [.created, .exited]).map(\.id) == ["aa", "cc"])
      #expect(try store.containers(in: []).isEmpty)
    }
  }

  @Test func textIsNeverSQL() async throws {
    try await withImage { store, one in
      let name = "x'); DROP TABLE containers; --"
      var record = container("aa11", name: name, of: one)
      record.options = "'\"; ☕"
      try await store.insertContainer(record)
      #expect(try store.container(matching: name) == record)
    }
  }
}
