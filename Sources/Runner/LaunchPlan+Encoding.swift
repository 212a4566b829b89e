import CLinux
package import EngineErrors
internal import SystemPackage

extension LaunchPlan {
  /// The plan's operations as `coracle-shim` reads them (CLinuxLaunchPlan.h).
  ///
  /// - Throws: `EngineError.invalidArgument` for text with a NUL in it.
  package func encoded() throws(EngineError) -> [UInt8] {
    var encoder = PlanEncoder()
    for operation in operations { try operation.encode(to: &encoder) }
    return encoder.bytes
  }
}

/// Writes fields in native byte order, each aligned to 8 bytes.
struct PlanEncoder {
  private(set) var bytes: [UInt8] = []

  mutating func number<Value: FixedWidthInteger>(_ value: Value) {
    withUnsafeBytes(of: UInt64(truncatingIfNeeded: value)) { bytes.append(contentsOf: $0) }
  }

  mutating func string(_ text: String) throws(EngineError) {
    let content = Array(text.utf8)
    guard !content.contains(0) else {
      throw EngineError(.invalidArgument, "cannot use text with a NUL byte in a launch plan", subject: text)
    }
    self.bytes(content)
  }

  mutating func path(_ path: FilePath) throws(EngineError) { try string(path.string) }

  mutating func bytes(_ content: [UInt8]) {
    number(content.count)
    bytes.append(contentsOf: content)
    bytes.append(0)
    while bytes.count % 8 != 0 { bytes.append(0) }
  }

  mutating func strings(_ list: [String]) throws(EngineError) {
    number(list.count)
    for text in list { try string(text) }
  }

  mutating func operation(
    _ code: clinux_operation_code, _ fields: (inout PlanEncoder) throws(EngineError) -> Void
  ) throws(EngineError) {
    var encoder = PlanEncoder()
    try fields(&encoder)
    var header = clinux_operation(code: code.rawValue, size: UInt32(encoder.bytes.count))
    append(&header)
    bytes.append(contentsOf: encoder.bytes)
  }

  mutating func operation(_ code: clinux_operation_code) {
    var header = clinux_operation(code: code.rawValue, size: 0)
    append(&header)
  }

  mutating func append(_ header: inout clinux_operation) {
    withUnsafeBytes(of: &header) { bytes.append(contentsOf: $0) }
  }
}
