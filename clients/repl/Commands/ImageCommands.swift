import ArgumentParser
import RPCModel

/// One line about an image that a command has made, and what its layers had to leave out.
func show(_ image: ImageSummary, named reference: String, _ warnings: [LayerWarning]?, _ terminal: Terminal) {
  terminal.note(warnings)
  if terminal.isJSON { return terminal.printJSON(image) }
  let name = FamiliarName(image, given: reference)?.text ?? "-"
  let layers = "\(image.layerCount) layer\(image.layerCount == 1 ? "" : "s")"
  terminal.print("\(name)  \(ShortID(image.digest).text)  \(layers), \(ByteCount(image.size).text)")
}

extension Terminal {
  /// What layers had to leave out.
  func note(_ warnings: [LayerWarning]?) {
    for warning in warnings ?? [] { note("warning: \(warning.text)") }
  }
}

struct Images: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "List the images.")
  @Flag(name: .shortAndLong, help: "Their names alone, one a line; the digest of one that has none.")
  var quiet = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ImageList.self, .init())
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    if quiet {
      for image in answer.images {
        (image.references.isEmpty ? [image.digest] : image.references.map { FamiliarName($0).text })
          .forEach(session.terminal.print)
      }
      return 0
    }
    var table = Table("NAME", "DIGEST", "PLATFORM", "LAYERS", "ON DISK", "UNIQUE", "CREATED")
    for image in answer.images {
      for name in image.references.isEmpty ? ["-"] : image.references {
        table.rows.append([
          FamiliarName(name).text, ShortID(image.digest).text, image.platform, "\(image.layerCount)",
          ByteCount(image.totalBytes).text.leftPadded(to: 7),
          ByteCount(image.uniqueBytes).text.leftPadded(to: 7), Age(image.createdAt).text,
        ])
      }
    }
    table.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

struct History: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how an image came about, the newest step first.")
  static var completesInOrder: [[NameKind]]? { [[.images]] }
  @Argument(help: "The image.") var image: String

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ImageHistory.self, .init(image: image))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    var table = Table("LAYER", "SIZE", "CREATED", "BY", "SHARED WITH", "COMMENT")
    for entry in answer.entries {
      table.rows.append([
        entry.layer.map { ShortID($0.digest).text } ?? "-",
        (entry.layer.map { ByteCount($0.size).text } ?? "-").leftPadded(to: 7), Age(entry.createdAt).text,
        (entry.createdBy ?? "").shortened(to: 60), Sharers(entry.sharedWith).text, entry.comment ?? "",
      ])
    }
    table.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

/// The images that share a layer: a few by name, the rest by number.
private struct Sharers {
  var text: String

  init(_ references: [String]?) {
    let names = (references ?? []).map { $0.hasPrefix("sha256:") ? ShortID($0).text : FamiliarName($0).text }
    text = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
  }
}

struct InspectImage: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "image", abstract: "Show all there is to know of an image.")
  static var completesInOrder: [[NameKind]]? { [[.images]] }
  @Argument(help: "The image.") var image: String

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ImageInspect.self, .init(image: image))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    var fields = FieldList()
    fields.add("digest", answer.image.digest)
    fields.add("names", answer.image.references.map { FamiliarName($0).text }.joined(separator: ", "))
    fields.add("platform", answer.image.platform)
    fields.add("created", answer.image.createdAt)
    fields.add("size", "\(ByteCount(answer.image.size).text) compressed")
    fields.add(
      "on disk",
      "\(ByteCount(answer.image.totalBytes).text), \(ByteCount(answer.image.uniqueBytes).text) of it no other image's"
    )
    fields.add("entrypoint", answer.config.entrypoint.joined(separator: " "))
    fields.add("command", answer.config.command.joined(separator: " "))
    for variable in answer.config.environment { fields.add("environment", variable) }
    fields.add("directory", answer.config.workingDirectory)
    fields.add("user", answer.config.user)
    fields.add("stop signal", answer.config.stopSignal)
    fields.add("health check", answer.config.healthCheck?.test.joined(separator: " "))
    for instruction in answer.config.onBuild ?? [] { fields.add("on build", instruction) }
    fields.add("ports", answer.config.exposedPorts.joined(separator: ", "))
    fields.add("volumes", answer.config.volumes.joined(separator: ", "))
    for (name, value) in answer.config.labels.sorted(by: { $0.key < $1.key }) {
      fields.add("label", "\(name)=\(value)")
    }
    for layer in answer.layers { fields.add("layer", "\(layer.digest)  \(ByteCount(layer.size).text)") }
    fields.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

struct Tag: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Give an image one more name.")
  static var completesInOrder: [[NameKind]]? { [[.images], [.images]] }
  @Argument(help: "The image.") var image: String
  @Argument(help: "The new name.") var reference: String

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ImageTag.self, .init(image: image, reference: reference))
    if session.terminal.isJSON { session.terminal.printJSON(answer) }
    return 0
  }
}

struct RemoveImage: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "rmi", abstract: "Take images' names away, and with the last name the image.")
  static var completes: [NameKind] { [.images] }
  @Argument(help: "The images.") var images: [String]
  @Flag(name: .shortAndLong, help: "Take all names of a digest away.") var force = false

  func run(_ session: REPLSession) async throws -> Int32 {
    await session.each(images) { image in
      let answer = try await session.request(ImageRemove.self, .init(image: image, force: force))
      if session.terminal.isJSON { return session.terminal.printJSON(answer) }
      for name in answer.untagged { session.terminal.print("untagged \(FamiliarName(name).text)") }
      for digest in answer.deleted { session.terminal.print("deleted \(ShortID(digest).text)") }
    }
  }
}
