import EngineErrors

extension WireTime {
  /// Nanoseconds since 1970 of a time in RFC 3339, with any offset; what is finer is dropped.
  ///
  /// - Parameter name: the parameter's, for the error.
  static func nanoseconds(_ text: String, of name: String) throws(EngineError) -> UInt64 {
    guard let time = parse(text) else {
      throw EngineError(
        .invalidArgument, "not a time: \(text.prefix(100))", subject: name,
        hint: "times are as 2026-01-02T03:04:05.6Z")
    }
    return UInt64(max(0, time))
  }

  private static func parse(_ text: String) -> Int64? {
    let form =
      #/(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))/#
      .asciiOnlyDigits()
    guard let parts = text.wholeMatch(of: form)?.output, let year = Int64(parts.1),
      let month = Int64(parts.2),
      let day = Int64(parts.3), let hour = Int64(parts.4), let minute = Int64(parts.5),
      let second = Int64(parts.6), (1970...2261).contains(year), (1...12).contains(month),
      (1...31).contains(day), hour < 24, minute < 60, second <= 60
    else { return nil }
    let digits = (parts.7 ?? "").prefix(9)
    let fraction = Int64(digits + String(repeating: "0", count: 9 - digits.count)) ?? 0
    var offset: Int64 = 0
    if let sign = parts.9, let hours = Int64(parts.10 ?? ""), let minutes = Int64(parts.11 ?? "") {
      offset = (hours * 60 + minutes) * (sign == "-" ? -60 : 60)
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return seconds * 1_000_000_000 + fraction
  }

  /// From 1970 to a day of the Gregorian calendar; years here begin in March, as in `civil`.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = year / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
