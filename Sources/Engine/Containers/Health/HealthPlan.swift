import OCIModel

/// How a container's health is looked at: what the caller said, over what the image says, over the defaults.
package struct HealthPlan: Hashable, Sendable, Codable {
  /// A program and its arguments.
  package var command: [String]
  /// Times are in nanoseconds.
  package var interval: Int64
  package var timeout: Int64
  /// So many failures in a row are unhealthy.
  package var retries: Int64
  /// So long after the start failures do not count.
  package var startPeriod: Int64
  package var startInterval: Int64

  /// What an image or a caller asks for beyond it is as good as never, and sums with the time of day stay numbers.
  static let longest: Int64 = 366 * 86400 * 1_000_000_000

  /// Nil where nothing is to be looked at.
  init?(asked: ImageConfig.Healthcheck?, image: ImageConfig.Healthcheck?) {
    func has(_ check: ImageConfig.Healthcheck?) -> [String]? { check?.test.flatMap { $0.isEmpty ? nil : $0 } }
    guard let test = has(asked) ?? has(image), let kind = test.first else { return nil }
    let rest = Array(test.dropFirst())
    switch kind {
    case "CMD" where !rest.isEmpty: command = rest
    case "CMD-SHELL" where rest.count == 1: command = ["/bin/sh", "-c"] + rest
    default: return nil
    }
    // 0 is as good as absent (Docker's image specification, "Healthcheck").
    func value(_ member: KeyPath<ImageConfig.Healthcheck, Int64?>, or standard: Int64) -> Int64 {
      for check in [asked, image] { if let value = check?[keyPath: member], value > 0 { return value } }
      return standard
    }
    func time(_ member: KeyPath<ImageConfig.Healthcheck, Int64?>, or standard: Int64) -> Int64 {
      min(Self.longest, value(member, or: standard))
    }
    interval = time(\.interval, or: 30_000_000_000)
    timeout = time(\.timeout, or: 30_000_000_000)
    retries = value(\.retries, or: 3)
    startPeriod = time(\.startPeriod, or: 0)
    startInterval = time(\.startInterval, or: 5_000_000_000)
  }
}
