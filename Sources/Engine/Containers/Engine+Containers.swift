import EngineErrors
import Foundation
import Metadata
import OCIModel
import Runner
import SystemPackage

extension Engine {
  /// Finds a container by id, name, or the first digits of its id.
  ///
  /// - Throws: `notFound`; `invalidArgument` for a prefix that fits several.
  func container(named text: String) throws -> ContainerRow {
    if let row = try metadata.container(text) { return row }
    if text.count >= 4, text.allSatisfy(\.isHexDigit) {
      let matches = try metadata.containers().filter { $0.id.hasPrefix(text) }
      if let only = matches.first, matches.count == 1 { return only }
      if matches.count > 1 {
        throw EngineError(
          .invalidArgument, "\(matches.count) containers begin with \(text)", subject: text,
          hint: "give more digits")
      }
    }
    throw EngineError(
      .notFound, "no container is named \(text)", subject: text,
      hint: "container/list with all: true shows the containers there are")
  }

  /// - Parameter all: also those that do not run.
  package func listContainers(all: Bool) async throws -> [ContainerSummary] {
    var summaries: [ContainerSummary] = []
    for row in try metadata.containers() {
      // One that another service removes meanwhile is left out.
      guard let row = try await settled(row), all || row.state == .running else { continue }
      summaries.append(try summary(row))
    }
    return summaries.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
  }

  package func inspectContainer(_ name: String) async throws -> ContainerDetails {
    let row = try container(named: name)
    guard let row = try await settled(row) else { throw removedMeanwhile(row) }
    return ContainerDetails(
      summary: try summary(row), options: try options(row), spec: try spec(row.id),
      upperDirectory: snapshots.containerDirectory(row.id).appending("upper").string,
      logPath: logPath(row.id).string)
  }

  func summary(_ row: ContainerRow) throws -> ContainerSummary {
    let options = try options(row)
    let state: ContainerState
    switch row.state {
    case .created: state = .created
    case .running: state = .running(pid: row.pid ?? 0)
    case .exited: state = .exited(row.exit)
    }
    return ContainerSummary(
      id: row.id, name: row.name, image: row.imageName, imageDigest: row.imageDigest,
      command: try spec(row.id).process?.args ?? [], state: state, labels: options.labels,
      createdAt: row.createdAt, startedAt: row.startedAt)
  }

  func options(_ row: ContainerRow) throws -> ContainerOptions {
    do {
      return try JSONDecoder().decode(ContainerOptions.self, from: Data(row.options.utf8))
    } catch {
      throw EngineError(
        .corrupt, "cannot read the options of container \(row.name)", subject: row.id, causes: ["\(error)"])
    }
  }

  func spec(_ id: String) throws -> RuntimeSpec {
    let path = snapshots.containerDirectory(id).appending("config.json")
    do {
      return try JSONDecoder().decode(
        RuntimeSpec.self, from: Data(contentsOf: URL(filePath: path.string)))
    } catch {
      throw EngineError(
        .corrupt, "cannot read the configuration of container \(id.prefix(12))", subject: path.string,
        causes: ["\(error)"])
    }
  }

  func logPath(_ id: String) -> FilePath { snapshots.containerDirectory(id).appending("log") }

  func removedMeanwhile(_ row: ContainerRow) -> EngineError {
    EngineError(.notFound, "container \(row.name) was removed meanwhile", subject: row.id)
  }
}

extension ContainerRow {
  var exit: ContainerExit {
    ContainerExit(code: exitCode ?? 0, signal: signal, at: finishedAt ?? 0, isLost: isLost)
  }
}
