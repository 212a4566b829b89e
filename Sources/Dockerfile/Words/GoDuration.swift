/// Lengths of time as Go writes them: `1h30m`, `1.5s`, `300ms`.
package enum GoDuration {
  /// In nanoseconds; nil for any other form and for what is too long.
  package static func nanoseconds(_ text: String) -> Int64? {
    var rest = Substring(text)
    var sign = 1.0
    if let first = rest.first, first == "-" || first == "+" {
      if first == "-" { sign = -1 }
      rest = rest.dropFirst()
    }
    if rest == "0" { return 0 }
    guard !rest.isEmpty else { return nil }
    var total = 0.0
    while !rest.isEmpty {
      let number = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
      guard number != ".", !number.isEmpty, let value = Double(number.hasSuffix(".") ? number + "0" : number)
      else { return nil }
      rest = rest.dropFirst(number.count)
      let unit = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
      guard let scale = units[String(unit)] else { return nil }
      rest = rest.dropFirst(unit.count)
      total += value * scale
    }
    return Int64(exactly: (sign * total).rounded())
  }

  private static let units: [String: Double] = [
    "ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
  ]
}

/// Amounts of memory as Docker writes them: `64m`, `1.5GiB`; all units are powers of 1,024.
package enum MemoryAmount {
  /// In bytes; nil for any other form.
  package static func bytes(_ text: String) -> Int64? {
    let number = text.prefix { ("0"..."9").contains($0) || $0 == "." }
    guard let value = Double(number) else { return nil }
    var unit = text.dropFirst(number.count).lowercased().trimmingBlanks()
    for ending in ["ib", "b"] where unit.hasSuffix(ending) {
      unit.removeLast(ending.count)
      break
    }
    guard let power = ["", "k", "m", "g", "t", "p"].firstIndex(of: unit) else { return nil }
    var amount = value
    for _ in 0..<power { amount *= 1024 }
    return Int64(exactly: amount.rounded())
  }
}
