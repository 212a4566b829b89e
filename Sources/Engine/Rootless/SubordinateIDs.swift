/// The ids that an ordinary user may give to processes in its user namespace, from /etc/subuid or /etc/subgid
/// (subuid(5)).
struct SubordinateIDs: Hashable {
  /// No id is in two of them.
  var ranges: [Range<UInt32>]

  /// - Parameters:
  ///   - text: the file's lines, `user:first:count`; those that are no such line are skipped, as shadow does.
  ///   - name: the user's name; nil where the user has none.
  init(_ text: String, name: String?, userID: UInt32) {
    let named = text.split(separator: "\n").compactMap { line -> Range<UInt32>? in
      let fields = line.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count == 3, fields[0] == name ?? "" || fields[0] == "\(userID)",
        let first = UInt32(fields[1]), let count = UInt32(fields[2]), count > 0
      else { return nil }
      let (end, overflows) = first.addingReportingOverflow(count)
      return overflows ? nil : first..<end
    }
    ranges = []
    for range in named { ranges += Self.parts(of: range, outside: ranges) }
  }

  /// The kernel takes no map that has an id twice, as files have it that were added to by hand.
  private static func parts(of range: Range<UInt32>, outside taken: [Range<UInt32>]) -> [Range<UInt32>] {
    taken.reduce([range]) { parts, other in
      parts.flatMap { part -> [Range<UInt32>] in
        guard part.overlaps(other) else { return [part] }
        return [
          part.lowerBound..<max(part.lowerBound, other.lowerBound),
          min(part.upperBound, other.upperBound)..<part.upperBound,
        ].filter { !$0.isEmpty }
      }
    }
  }

  /// The arguments for `newuidmap` and `newgidmap`: the user is root inside, and the ranges follow from 1 on.
  func mapArguments(of process: Int32, own: UInt32) -> [String] {
    var arguments = ["\(process)", "0", "\(own)", "1"]
    var next: UInt32 = 1
    // The kernel takes 340 lines.
    let others = ranges.flatMap {
      Self.parts(of: $0, outside: [own..<own.addingReportingOverflow(1).partialValue])
    }
    for range in others.prefix(339) {
      let count = UInt32(range.count)
      arguments += ["\(next)", "\(range.lowerBound)", "\(count)"]
      let (sum, overflows) = next.addingReportingOverflow(count)
      if overflows { break }
      next = sum
    }
    return arguments
  }
}
