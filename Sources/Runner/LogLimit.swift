/// How much of a container's output its log keeps. The oldest goes first.
package struct LogLimit: Hashable, Sendable {
  /// The size in bytes at which the log is begun anew; a part is not longer.
  package var fileBytes: UInt64
  /// How many parts are kept, with the present one.
  package var files: UInt64

  package init(fileBytes: UInt64, files: UInt64) {
    self.fileBytes = fileBytes
    self.files = files
  }
}
