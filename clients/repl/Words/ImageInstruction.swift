import Foundation
import RPCModel

/// An instruction of a Dockerfile that changes an image's configuration, as `commit --change` of other engines takes it.
struct ImageInstruction {
  private let name: String
  private let text: String

  init(_ line: String) {
    let line = line.trimmingCharacters(in: .whitespaces)
    name = line.prefix { !$0.isWhitespace }.uppercased()
    text = line.dropFirst(name.count).trimmingCharacters(in: .whitespaces)
  }

  /// - Throws: `invalidArgument`, of the client's own.
  func apply(to changes: inout ImageChanges) throws {
    guard !text.isEmpty else { throw wrong("it needs something behind it") }
    switch name {
    case "CMD": changes.command = try command()
    case "ENTRYPOINT": changes.entrypoint = try command()
    case "ENV": changes.environment = (changes.environment ?? [:]).merging(try pairs()) { $1 }
    case "LABEL": changes.labels = (changes.labels ?? [:]).merging(try pairs()) { $1 }
    case "EXPOSE": changes.exposedPorts = (changes.exposedPorts ?? []) + (try words().map(port))
    case "VOLUME": changes.volumes = (changes.volumes ?? []) + (try list() ?? words())
    case "USER": changes.user = text
    case "WORKDIR": changes.workingDirectory = text
    case "STOPSIGNAL": changes.stopSignal = text
    case "ONBUILD": changes.onBuild = (changes.onBuild ?? []) + [text]
    case "HEALTHCHECK": changes.healthCheck = try healthCheck()
    default:
      throw wrong(
        "there are CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR"
      )
    }
  }

  /// A JSON list of words as it is; anything else is a line for the shell.
  private func command() throws -> [String] { try list() ?? ["/bin/sh", "-c", text] }

  private func list(_ text: String? = nil) throws -> [String]? {
    let text = text ?? self.text
    guard text.hasPrefix("[") else { return nil }
    guard let list = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) else {
      throw wrong("'\(text)' is not a JSON list of strings")
    }
    return list
  }

  private func words() throws -> [String] { try WordSplitter.commands(text).flatMap(\.self) }

  /// `NAME=value …`, or the old form `NAME value`.
  private func pairs() throws -> [String: String] {
    let words = try words()
    if let first = words.first, !first.contains("=") {
      return [first: text.dropFirst(first.count).trimmingCharacters(in: .whitespaces)]
    }
    var pairs: [String: String] = [:]
    for word in words {
      guard let sign = word.firstIndex(of: "="), sign != word.startIndex else {
        throw wrong("'\(word)' is not NAME=value")
      }
      pairs[String(word[..<sign])] = String(word[word.index(after: sign)...])
    }
    return pairs
  }

  private func port(_ text: String) -> String { text.contains("/") ? text.lowercased() : text + "/tcp" }

  private func healthCheck() throws -> HealthCheck {
    var words = text.split(separator: " ", omittingEmptySubsequences: true)[...]
    var check = HealthCheck(test: [])
    while let option = words.first, option.hasPrefix("--") {
      let parts = option.dropFirst(2).split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else { throw wrong("'\(option)' has no value") }
      switch parts[0] {
      case "interval": check.intervalMs = try time(parts[1])
      case "timeout": check.timeoutMs = try time(parts[1])
      case "start-period": check.startPeriodMs = try time(parts[1])
      case "start-interval": check.startIntervalMs = try time(parts[1])
      case "retries": check.retries = try Int(parts[1]) ?? { throw wrong("'\(parts[1])' is not a number") }()
      default: throw wrong("there is no option \(option)")
      }
      words = words.dropFirst()
    }
    switch words.first?.uppercased() {
    case "NONE" where words.count == 1: check.test = ["NONE"]
    case "CMD" where words.count > 1:
      let rest = words.dropFirst().joined(separator: " ")
      check.test = try list(rest).map { ["CMD"] + $0 } ?? ["CMD-SHELL", rest]
    default: throw wrong("it is NONE, or CMD and a command")
    }
    return check
  }

  private func time(_ text: Substring) throws -> Int {
    guard let period = Period(argument: String(text)) else {
      throw wrong("'\(text)' is not a time as 30s or 5m")
    }
    return period.milliseconds
  }

  private func wrong(_ why: String) -> RPCError {
    RPCError(.invalidArgument, "cannot take the change \(name): \(why)", subject: "\(name) \(text)")
  }
}
