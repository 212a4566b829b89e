import ArgumentParser

/// A time as people write it: a number and one of ms, s, m, h, d.
struct Period: ExpressibleByArgument {
  var milliseconds: Int

  init?(argument: String) {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
    guard let (suffix, unit) = units.first(where: { argument.hasSuffix($0.0) }),
      let count = Int(argument.dropLast(suffix.count)), count >= 0,
      case (let product, false) = count.multipliedReportingOverflow(by: unit)
    else { return nil }
    milliseconds = product
  }
}
