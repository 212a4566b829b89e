import Glibc

/// Shares of cgroup v1 and weights of v2 in each other's terms, as OCI's runtimes convert them.
package enum ControlGroupWeights {
  /// 2 to 262144 shares, 1024 as usual, to 1 to 10000, 100 as usual. The curve goes through these three pairs.
  package static func cpuWeight(shares: UInt64) -> UInt64 {
    if shares <= 2 { return 1 }
    if shares >= 262_144 { return 10_000 }
    let logarithm = log2(Double(shares))
    let exponent = (logarithm * logarithm + 125 * logarithm) / 612 - 7.0 / 34
    return UInt64(pow(10, exponent).rounded(.up))
  }

  /// In proportion, so that a container against one without a wish has the same part of the processor with v1 and with v2.
  package static func shares(cpuWeight weight: UInt64) -> UInt64 {
    min(max(weight, 1), 10_000) * 1024 / 100 < 2 ? 2 : min(min(max(weight, 1), 10_000) * 1024 / 100, 262_144)
  }

  /// 10 to 1000 of the block controller to 1 to 10000.
  package static func ioWeight(blockWeight: UInt16) -> UInt64 {
    let weight = UInt64(min(max(blockWeight, 10), 1000))
    return 1 + (weight - 10) * 9999 / 990
  }
}
