import CLinux
import Glibc
package import SystemPackage

extension FileDescriptor {
  /// Where a regular file of `size` bytes has data; what lies between is holes, which read as zeroes
  /// (lseek(2), SEEK_DATA and SEEK_HOLE). A file system that knows no holes answers one range. Moves the file's position.
  ///
  /// - Parameter limit: of ranges; the last one of that many goes to the end of the file.
  /// - Throws: `SystemError`.
  package func dataRanges(size: Int64, limit: Int) throws(SystemError) -> [Range<Int64>] {
    var ranges: [Range<Int64>] = []
    var position: Int64 = 0
    while position < size {
      guard let start = try seekTo(CInt(CLINUX_SEEK_DATA), from: position), start < size else { break }
      let isLast = ranges.count == limit - 1
      let end = isLast ? size : min(try seekTo(CInt(CLINUX_SEEK_HOLE), from: start) ?? size, size)
      // A file that is cut off meanwhile may answer anything.
      guard start >= position, end > start else { break }
      ranges.append(start..<end)
      position = end
    }
    return ranges
  }

  /// Nil where no data follows.
  private func seekTo(_ what: CInt, from position: Int64) throws(SystemError) -> Int64? {
    do throws(SystemError) {
      return Int64(try call("lseek") { Glibc.lseek(rawValue, Int(position), what) })
    } catch {
      if error.errno == .noSuchAddressOrDevice { return nil }
      throw error
    }
  }
}
