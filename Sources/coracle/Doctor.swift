import ArgumentParser
import Engine
import EngineErrors
import Foundation
import LinuxSystem

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what this machine lacks for containers, and the command that mends each.",
    discussion: "Nothing is changed. Ends with 1 where no container can run.")

  @OptionGroup var location: LocationOptions
  @Flag(help: "For programs: an array with about, verdict (good, limited or missing), text and remedy.")
  var json =
    false

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let location = try StoreLocation(
      store: location.store, run: location.run, environment: environment, userID: effectiveIDs().user)
    var findings = Finding.all(
      .gather(store: location.store, run: location.run, path: environment["PATH"] ?? ""))
    findings.append(Self.shim().remedied(by: .init(id: effectiveIDs().user, name: nil)))
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      print(String(decoding: try encoder.encode(findings), as: UTF8.self))
    } else {
      Self.show(findings, inColor: isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty)
    }
    if findings.contains(where: { $0.verdict == .missing }) { throw ExitCode(1) }
  }

  private static func shim() -> Finding {
    let name = "coracle-shim"
    do {
      return .good(name, try SiblingProgram.find(name, environmentVariable: "CORACLE_SHIM").string)
    } catch {
      return .missing(
        name, (error as? EngineError)?.message ?? "\(error)",
        remedy: "sudo apt-get install --reinstall coracle  # or make install, where coracle was built")
    }
  }

  private static func show(_ findings: [Finding], inColor: Bool) {
    let width = findings.map(\.about.count).max() ?? 0
    for finding in findings {
      let (mark, color) =
        switch finding.verdict {
        case .good: ("✓", 32)
        case .limited: ("!", 33)
        case .missing: ("✗", 31)
        }
      let name = finding.about + String(repeating: " ", count: width - finding.about.count)
      print("\(inColor ? "\u{1B}[\(color)m\(mark)\u{1B}[0m" : mark) \(name)  \(finding.text)")
      if let remedy = finding.remedy { print(String(repeating: " ", count: width + 4) + remedy) }
    }
    let counts = [Finding.Verdict.limited, .missing].map { verdict in findings.count { $0.verdict == verdict }
    }
    print(
      counts[1] > 0
        ? "\nNo container can run here yet."
        : counts[0] > 0 ? "\nContainers run here; what is marked ! does not work." : "\nNothing is missing.")
  }
}
