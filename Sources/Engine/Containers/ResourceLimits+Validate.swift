import EngineErrors

/// What no machine could do; what this one cannot is a warning.
extension ResourceLimits {
  /// As with Docker: below it most programs are killed before they begin.
  private static let leastMemory: Int64 = 6 << 20

  /// - Throws: `invalidArgument`, with the limit as the subject.
  func validate() throws(EngineError) {
    try check("memoryBytes", memoryBytes, Self.leastMemory..., "at least 6 MiB")
    try check("memoryReservationBytes", memoryReservationBytes, 1..., "at least 1")
    try check("swapBytes", swapBytes, 0..., "at least 0")
    // A hundredth of a processor is the least that the kernel divides time by: a millisecond in a tenth of a second.
    try check("cpuMillis", cpuMillis, 10...1_000_000_000, "at least 10, a hundredth of a processor")
    try check("cpuWeight", cpuWeight, 1...10_000, "between 1 and 10000")
    try check("processes", processes, 1..., "at least 1")
    try check("ioWeight", ioWeight, 1...10_000, "between 1 and 10000")
    if let reservation = memoryReservationBytes, let memoryBytes, reservation > memoryBytes {
      throw Self.invalid("memoryReservationBytes", "\(reservation)", "at most limits.memoryBytes")
    }
    if let swapBytes, memoryBytes == nil {
      throw Self.invalid("swapBytes", "\(swapBytes)", "together with limits.memoryBytes")
    }
    for (name, list) in [("cpuSet", cpuSet), ("memoryNodes", memoryNodes)] {
      if let list, !Self.isList(list) { throw Self.invalid(name, list, "numbers and ranges, as 0-2,7") }
    }
  }

  private func check(_ name: String, _ value: Int64?, _ range: some RangeExpression<Int64>, _ hint: String)
    throws(EngineError)
  {
    if let value, !range.contains(value) { throw Self.invalid(name, "\(value)", hint) }
  }

  private static func invalid(_ name: String, _ value: String, _ hint: String) -> EngineError {
    EngineError(
      .invalidArgument, "not a limit: \(name) \(value)", subject: "limits.\(name)", hint: "it is \(hint)")
  }

  private static func isList(_ text: String) -> Bool {
    text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { part in
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1] else {
        return false
      }
      return first <= last
    }
  }
}
