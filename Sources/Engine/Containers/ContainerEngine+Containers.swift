import EngineErrors
import Foundation
import LinuxSystem
import Metadata
import OCIModel
import Runner
import SystemPackage

extension ContainerEngine {
  /// - Parameter all: also those that do not run.
  package func listContainers(all: Bool) async throws -> [ContainerSummary] {
    var summaries: [ContainerSummary] = []
    let known = listedOptions.withLock { $0 }
    var listed: [String: ListedOptions] = [:]
    for record in try metadata.containers() {
      // One that another service removes meanwhile is left out.
      guard let record = try await settled(record), all || ContainerState.live.contains(record.state) else {
        continue
      }
      let same = known[record.id].flatMap { $0.text == record.options ? $0 : nil }
      let options = try same ?? ListedOptions(options(record), record.options)
      listed[record.id] = options
      summaries.append(summary(record, options))
    }
    listedOptions.withLock { $0 = listed }
    return summaries
  }

  package func inspectContainer(_ name: String) async throws -> ContainerDetails {
    let record = try await current(name)
    let directory = snapshots.containerDirectory(record.id)
    let options = try options(record)
    return ContainerDetails(
      summary: try summary(record), options: options, spec: try spec(record.id),
      healthResults: healthResults(record), stopSignal: options.stopSignal ?? Signal.terminate.description,
      upperDirectory: directory.appending("upper").string, logPath: logPath(record.id).string,
      runtimeConfigPath: directory.appending("config.json").string,
      warnings: warnings(options), networks: try networks(of: record),
      controlGroup: runner.controlGroup(record.id)?.shownPath)
  }

  /// The container that a text names, settled.
  ///
  /// - Throws: `notFound`; `invalidArgument` for the beginning of several ids.
  func current(_ name: String) async throws -> ContainerRecord {
    let record = try metadata.container(matching: name)
    guard let settled = try await settled(record) else { throw removedMeanwhile(record) }
    return settled
  }

  func summary(_ record: ContainerRecord) throws -> ContainerSummary {
    try summary(record, ListedOptions(options(record), record.options))
  }

  private func summary(_ record: ContainerRecord, _ options: ListedOptions) -> ContainerSummary {
    ContainerSummary(
      id: record.id, name: record.name, image: record.imageName, imageDigest: record.imageDigest,
      command: options.command, state: record.state, pid: record.pid, exit: ExitStatus(record),
      labels: options.labels, health: ContainerState.live.contains(record.state) ? record.health : nil,
      restartCount: record.restartCount, createdAt: record.createdAt, startedAt: record.startedAt,
      ports: ContainerState.live.contains(record.state) ? options.ports : [])
  }

  func options(_ record: ContainerRecord) throws -> ContainerOptions {
    // Asked for several times on a container's way.
    if let known = decodedOptions.withLock({ $0?.text == record.options ? $0?.options : nil }) {
      return known
    }
    do {
      let options = try JSONDecoder().decode(ContainerOptions.self, from: Data(record.options.utf8))
      decodedOptions.withLock { $0 = (record.options, options) }
      return options
    } catch {
      throw EngineError(
        .corrupt, "cannot read the options of container \(record.name)", subject: record.id,
        causes: ["\(error)"])
    }
  }

  func spec(_ id: String) throws -> RuntimeSpec {
    let path = snapshots.containerDirectory(id).appending("config.json")
    do {
      return try JSONDecoder().decode(
        RuntimeSpec.self, from: Data(contentsOf: URL(filePath: path.string)))
    } catch {
      guard try metadata.container(id: id) != nil else {
        throw EngineError(.notFound, "container \(id.prefix(12)) was removed meanwhile", subject: id)
      }
      throw EngineError(
        .corrupt, "cannot read the configuration of container \(id.prefix(12))", subject: path.string,
        causes: ["\(error)"])
    }
  }

  func logPath(_ id: String) -> FilePath { snapshots.containerDirectory(id).appending("log") }

  /// The id of a container that was named, or whose id was begun: what stays the same whatever others do.
  package func containerID(_ name: String) throws -> String { try metadata.container(matching: name).id }

  func removedMeanwhile(_ record: ContainerRecord) -> EngineError {
    EngineError(.notFound, "container \(record.name) was removed meanwhile", subject: record.id)
  }
}

/// What a summary shows of a container's options, which no request changes later.
struct ListedOptions {
  var command: [String]
  var labels: [String: String]

  var ports: [ForwardedPort]
  /// What they were read from.
  var text: String

  init(_ options: ContainerOptions, _ text: String) {
    self.text = text
    ports = (options.ports ?? []).compactMap(\.published)
    command = options.resolvedCommand
    labels = options.labels
  }
}
