import Dockerfile
import Metadata
import OCIModel

/// What decides about the outcome of an instruction, by name.
typealias StepInputs = [String: String]

enum StepKey {
  static func make(parent: Digest, _ inputs: StepInputs) -> Digest {
    var bytes = Array("coracle build step 1\0\(parent)\0".utf8)
    for name in inputs.keys.sorted() {
      bytes += name.utf8
      bytes.append(0)
      bytes += (inputs[name] ?? "").utf8
      bytes.append(0)
    }
    return bytes.withUnsafeBytes { Digest(of: $0) }
  }

  /// What a step of its own stands on, whatever is below it.
  static let nothing = Digest(of: "coracle build link".utf8)

  /// Of a stage that begins with an image: all of it, its configuration included (CVE-2024-24557).
  static func base(_ configDigest: Digest?) -> Digest {
    Digest(of: "coracle build base \(configDigest?.description ?? "scratch")".utf8)
  }
}

/// Why an instruction is not taken from the cache: what is different from the nearest earlier one.
struct StepComparison {
  var reasons: [String]
  private(set) var nearest: BuildStepRecord?
  /// The same instruction was carried out at the same place.
  private(set) var isOfSamePlace = false
  /// What decides about it and was different then.
  private(set) var differences: [String] = []

  /// - Parameter change: what is known to be different below; nil where nothing is.
  init(
    _ inputs: StepInputs, after parent: Digest, source: String, _ candidates: [BuildStepRecord],
    _ change: String? = nil
  ) {
    /// The same instruction at the same place, another one there, the same one elsewhere.
    func distance(_ step: BuildStepRecord) -> Int {
      step.parent != parent ? 2 : step.source == source ? 0 : 1
    }
    guard let nearest = candidates.min(by: { distance($0) < distance($1) }) else {
      reasons = ["nothing like it was built before"]
      return
    }
    self.nearest = nearest
    switch distance(nearest) {
    case 0:
      isOfSamePlace = true
      differences = Self.differences(nearest.inputs, inputs)
      reasons = differences.isEmpty ? ["its layer is not in the store any more"] : differences
    case 1: reasons = ["the instruction was \(nearest.source.prefix(200))"]
    // It may be another project's, whose files say nothing of this one's.
    default: reasons = [change ?? "what is before it is different"]
    }
  }

  private static let most = 20

  private static func differences(_ old: StepInputs, _ new: StepInputs) -> [String] {
    var found: [String] = []
    for name in Set(old.keys).union(new.keys).sorted() where old[name] != new[name] {
      guard found.count < most else {
        found.append("and more")
        break
      }
      found.append(NameText.shown(describe(name, old[name], new[name])))
    }
    return found
  }

  private static func describe(_ name: String, _ old: String?, _ new: String?) -> String {
    guard name.hasPrefix("file ") else {
      switch (old, new) {
      case (nil, let new?): return "\(name) is new: \(new.prefix(100))"
      case (let old?, nil): return "\(name) is gone, it was \(old.prefix(100))"
      default: return "\(name) was \(old?.prefix(100) ?? "") and is \(new?.prefix(100) ?? "")"
      }
    }
    let path = name.dropFirst("file ".count)
    guard let old else { return "\(path) is new" }
    guard let new else { return "\(path) is gone" }
    let (before, after) = (old.split(separator: " "), new.split(separator: " "))
    guard before.first == after.first else {
      return before.first?.hasPrefix("sha256:") == true && after.first?.hasPrefix("sha256:") == true
        ? "\(path) has other content" : "\(path) was \(old) and is \(new)"
    }
    return
      "\(path) was \(before.dropFirst().joined(separator: " ")) and is \(after.dropFirst().joined(separator: " "))"
  }
}
