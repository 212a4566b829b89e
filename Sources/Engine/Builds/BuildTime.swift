import Dockerfile
import EngineErrors
import Foundation
import LinuxSystem

/// The one time that all files of new layers, and the image, get: so the same inputs always give the same image.
struct BuildTime: Hashable, Sendable {
  /// Since 1970.
  let seconds: Int64

  /// Where nobody says otherwise, 1980-01-01: the first day that ZIP archives can tell.
  static let standard = BuildTime(seconds: 315_532_800)

  init(seconds: Int64) { self.seconds = seconds }

  /// - Throws: `invalidArgument` for a SOURCE_DATE_EPOCH that is no number.
  init(_ global: GlobalScope) throws(EngineError) {
    guard
      let text = global.inputs.arguments["SOURCE_DATE_EPOCH"] ?? global.variables["SOURCE_DATE_EPOCH"],
      !text.isEmpty
    else {
      self = .standard
      return
    }
    guard let seconds = Int64(text), (0...253_402_300_799).contains(seconds) else {
      throw EngineError(
        .invalidArgument, "SOURCE_DATE_EPOCH is not a number of seconds since 1970: \(text.prefix(100))",
        subject: "SOURCE_DATE_EPOCH", hint: "give a number, as date +%s writes it")
    }
    self.seconds = seconds
  }

  var file: FileTime { FileTime(seconds: seconds) }

  /// As images have it.
  var text: String { Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601) }
}
