import Foundation
import RPCModel

/// A size in decimal units with three digits, as `12.3 MB`.
struct ByteCount {
  var text: String

  init(_ bytes: Int) {
    var value = Double(bytes)
    var units = ["B", "kB", "MB", "GB", "TB", "PB"][...]
    while value >= 999.5, units.count > 1 {
      value /= 1000
      units = units.dropFirst()
    }
    let digits = bytes < 1000 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
    text = String(format: "%.\(digits)f", value) + " " + (units.first ?? "")
  }
}

/// How long ago a time was, as `3 minutes ago`.
struct Age {
  var text: String

  init(_ time: Time?, now: Date = Date()) {
    guard let time, let date = WireDate(time)?.date else {
      text = "-"
      return
    }
    let seconds = Int(max(0, now.timeIntervalSince(date)))
    let (count, unit): (Int, String) =
      switch seconds {
      case ..<60: (seconds, "second")
      case ..<3600: (seconds / 60, "minute")
      case ..<86400: (seconds / 3600, "hour")
      case ..<(86400 * 60): (seconds / 86400, "day")
      case ..<(86400 * 730): (seconds / (86400 * 30), "month")
      default: (seconds / (86400 * 365), "year")
      }
    text = "\(count) \(unit)\(count == 1 ? "" : "s") ago"
  }
}

/// A point in time as the protocol writes it (RFC 3339), to the millisecond.
struct WireDate {
  var date: Date

  init?(_ time: Time) {
    // Foundation takes three digits of a second at most.
    let whole = time.prefix { $0 != "." && $0 != "Z" }
    let fraction = time.dropFirst(whole.count).drop { $0 == "." }.prefix { $0.isNumber }
    guard let date = try? Date("\(whole)Z", strategy: .iso8601) else { return nil }
    self.date = date.addingTimeInterval(Double("0.\(fraction.prefix(3))") ?? 0)
  }
}

/// The hour of an event, in the person's time zone.
struct TimeOfDay {
  var text: String

  init(_ time: Time) {
    guard let date = WireDate(time)?.date else {
      text = time
      return
    }
    let parts = Calendar.current.dateComponents([.hour, .minute, .second], from: date)
    text = String(format: "%02d:%02d:%02d", parts.hour ?? 0, parts.minute ?? 0, parts.second ?? 0)
  }
}

/// The digits of a digest or id by which a person knows it.
struct ShortID {
  var text: String

  init(_ id: String) {
    text = String((id.firstIndex(of: ":").map { id[id.index(after: $0)...] } ?? id[...]).prefix(12))
  }
}
