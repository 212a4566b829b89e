import ArgumentParser
import EngineErrors
import LinuxSystem
import OCIModel
import OCIRuntime
import SystemPackage

struct Processes: RuntimeCommand {
  static let configuration = CommandConfiguration(
    commandName: "ps", abstract: "Print the processes of a container.")
  @OptionGroup var global: GlobalOptions
  @Option(name: [.short, .long], help: "table or json.") var format = "table"
  @Argument(help: "The container's id.") var id: String
  @Argument(parsing: .captureForPassthrough, help: "Options of ps(1), for the table.") var options: [String] =
    []

  func run() throws {
    let pids = try global.runtime().processes(id)
    if format == "json" {
      FileDescriptor.standardOutput.print(String(decoding: try encodeJSON(pids), as: UTF8.self) + "\n")
      return
    }
    try replaceProcess(
      "/bin/ps",
      arguments: ["ps"] + (options.isEmpty ? ["-f"] : options) + [
        "-p", pids.map(String.init).joined(separator: ","),
      ])
  }
}

struct List: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Print the containers of a root directory.")
  @OptionGroup var global: GlobalOptions
  @Option(name: [.short, .long], help: "table or json.") var format = "table"
  @Flag(name: [.short, .long], help: "Ids alone.") var quiet = false

  func run() throws {
    let runtime = try global.runtime()
    let states = try runtime.root.ids().compactMap { try? runtime.state($0) }
    if quiet {
      states.forEach { FileDescriptor.standardOutput.print($0.id + "\n") }
    } else if format == "json" {
      let list = try states.map { String(decoding: try $0.json(), as: UTF8.self) }.joined(separator: ",")
      FileDescriptor.standardOutput.print("[\(list)]\n")
    } else {
      let rows =
        [["ID", "PID", "STATUS", "BUNDLE", "CREATED"]]
        + states.map { [$0.id, "\($0.pid)", $0.status.rawValue, $0.bundle, $0.created] }
      let widths = (0..<5).map { column in rows.map { $0[column].count }.max() ?? 0 }
      for row in rows {
        let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
        var line = cells.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        FileDescriptor.standardOutput.print(line + "\n")
      }
    }
  }
}

struct Spec: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a configuration to begin with to config.json.")
  @Option(name: [.short, .long], help: "The bundle's directory.") var bundle = "."
  @Flag(help: "For an ordinary user.") var rootless = false

  func run() throws {
    let path = FilePath(bundle).appending("config.json")
    guard !fileExists(path) else {
      throw EngineError(.alreadyExists, "file config.json exists. Remove it first", subject: path.string)
    }
    try writeNewFile(path, try encodeJSON(OCIRuntime.exampleSpec(isRootless: rootless), pretty: true) + [10])
  }
}

struct Features: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Print what this runtime can do as JSON.")
  @OptionGroup var global: GlobalOptions

  func run() throws {
    FileDescriptor.standardOutput.print(
      String(decoding: try encodeJSON(RuntimeFeatures(), pretty: true), as: UTF8.self) + "\n")
  }
}
