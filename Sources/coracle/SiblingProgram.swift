import EngineErrors
import Foundation
import SystemPackage

/// The programs that are installed with this one: in the same directory, or in ../libexec/coracle.
enum SiblingProgram {
  /// - Throws: `notFound` that says where it was looked for.
  static func find(_ name: String, environmentVariable: String) throws -> FilePath {
    if let path = ProcessInfo.processInfo.environment[environmentVariable] { return FilePath(path) }
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let directory = FilePath(own).removingLastComponent()
    let candidates = [
      directory.appending(name),
      directory.removingLastComponent().appending("libexec/coracle").appending(name),
    ]
    for candidate in candidates where FileManager.default.isExecutableFile(atPath: candidate.string) {
      return candidate
    }
    throw EngineError(
      .notFound, "cannot find the program \(name)", subject: name,
      causes: [
        "looked in \(candidates.map { $0.removingLastComponent().string }.joined(separator: " and "))"
      ],
      hint: "install it beside coracle, or name it in \(environmentVariable)")
  }
}
