import Foundation
import Glibc
import RPCModel
import RPCTransport
import TestSupport
import Testing

/// Runs `body` with a service that has `busybox:1`, and a context of the account's with two files in `src`.
func withBuildContext(
  _ account: Account, _ body: @Sendable (BuildContext) async throws -> Void
) async throws {
  try await withTestStore(account) { store in
    let service = try await store.service()
    _ = try await service.importBusybox(store, BuildContext.programs)
    let context = BuildContext(store: store, service: service)
    try await context.script("mkdir -p context/src; echo one > context/src/a; echo two > context/src/b")
    try await body(context)
    #expect(await service.stop() == 0)
  }
}

extension BuildContext {
  /// Besides those that `busyboxArchive` has.
  static let programs = "ln -s busybox bin/stat; ln -s busybox bin/find; ln -s busybox bin/seq"

  /// What a script of the account's writes, in the test's directory.
  func output(_ script: String) async throws -> String {
    let result = try await ChildProcess.run(
      store.account.launcher + ["sh", "-ec", "umask 022; " + script], workingDirectory: store.directory)
    guard result.succeeded else { throw TestFailure("\(script): \(result.errorText)") }
    return result.text
  }

  /// Serves `repo.git` of the test's directory as files: the plainest of git's protocols, which knows no shallow copies.
  func serveRepository(on server: FaultyServer) async throws {
    let root = store.directory.appending("repo.git")
    let listed = try await ChildProcess.run(["find", ".", "-type", "f"], workingDirectory: root)
    for name in listed.text.split(separator: "\n").map({ $0.dropFirst(2) }) {
      let bytes = try Data(contentsOf: URL(filePath: root.appending(String(name)).string))
      server.on("GET", "/repo.git/\(name)", .blob([UInt8](bytes)))
    }
  }

  func path(_ name: String) -> String { store.directory.appending(name).string }

  /// The names of images, and the number of those that have none.
  func images() async throws -> (names: [String], unnamed: Int) {
    let images = try await service.send(ImageList.self, .init()).images
    return (images.flatMap(\.references).sorted(), images.count { $0.references.isEmpty })
  }

  /// Builds, and answers the error with which that fails.
  func failure(_ file: String, change: (inout BuildStart.Params) -> Void = { _ in }) async throws -> RPCError
  {
    var params = params(file)
    change(&params)
    do {
      _ = try await service.send(BuildStart.self, params)
    } catch let error as RPCError {
      return error
    }
    throw TestFailure("this should not have been built: \(file)")
  }
}

extension BuildStart.Result {
  var areAllCached: Bool { steps.allSatisfy { $0.cached } }
}

/// A place for what a closure found.
final class FoundDigest: @unchecked Sendable {
  // Written by one task, and read when that has ended.
  var text = ""
}

struct BuildContext: Sendable {
  let store: TestStore
  let service: TestService

  var path: String { store.directory.appending("context").string }

  /// Runs a script as the account, in the test's directory.
  func script(_ text: String) async throws {
    let result = try await ChildProcess.run(
      store.account.launcher + ["sh", "-ec", "umask 022; " + text], workingDirectory: store.directory)
    guard result.succeeded else { throw TestFailure("\(text): \(result.errorText)") }
  }

  func params(
    _ file: String, references: [String] = [], change: (inout BuildDescription) -> Void = { _ in }
  ) -> BuildStart.Params {
    // Else each store would make a bridge on the machine that tests run on.
    var description = BuildDescription(context: path, dockerfile: file, network: "none")
    change(&description)
    var params = BuildStart.Params(description)
    params.references = references.isEmpty ? nil : references
    return params
  }

  func build(
    _ file: String, references: [String] = [], output: FoundDigest? = nil,
    change: (inout BuildDescription) -> Void = { _ in }
  ) async throws -> BuildStart.Result {
    var params = params(file, references: references, change: change)
    guard let output else { return try await service.send(BuildStart.self, params) }
    let receiver = service.process.connection.receiver(credit: 1000)
    params.output = receiver.id
    params.initialCredit = 1000
    async let text = receiver.text()
    do {
      let result = try await service.send(BuildStart.self, params)
      output.text = await text
      return result
    } catch {
      receiver.end(nil)
      throw error
    }
  }

  func explain(
    _ file: String, change: (inout BuildDescription) -> Void = { _ in }
  ) async throws -> [BuildStep] {
    var description = BuildDescription(context: path, dockerfile: file, network: "none")
    change(&description)
    return try await service.send(BuildExplain.self, .init(description)).steps
  }

  /// The digests of the layers that a build gives.
  func layers(
    _ file: String, change: (inout BuildDescription) -> Void = { _ in }
  ) async throws -> [String] {
    let built = try await build(file, change: change)
    return try await service.send(ImageInspect.self, .init(image: built.image.digest)).layers.map(\.digest)
  }
}
