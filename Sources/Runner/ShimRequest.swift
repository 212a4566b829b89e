import CLinux
internal import EngineErrors
import LinuxSystem
internal import SystemPackage

/// The request to a shim, as bytes and as the memfd it reads.
struct ShimRequest {
  var mode: clinux_mode
  var flags: UInt32 = 0
  var runDirectory: FilePath
  var log: FilePath = "/dev/null"
  var logLimit: LogLimit?
  /// Of the caller's descriptors, for an OCI runtime.
  var preserved = 0
  var plan: LaunchPlan
  var namespaces: LaunchPlan.Namespaces

  func encoded() throws(EngineError) -> [UInt8] {
    var encoder = PlanEncoder()
    try encoder.path(runDirectory)
    try encoder.path(log)
    let body = try encoder.bytes + plan.encoded()
    var header = clinux_request()
    header.magic = CLINUX_REQUEST_MAGIC
    header.mode = mode.rawValue
    header.flags = flags
    header.operation_count = UInt32(plan.operations.count)
    header.namespaces = namespaces.rawValue
    header.log_bytes = logLimit?.fileBytes ?? 0
    header.log_files = logLimit?.files ?? 0
    header.preserved = UInt64(clamping: preserved)
    header.size = UInt64(MemoryLayout<clinux_request>.size + body.count)
    return withUnsafeBytes(of: &header) { Array($0) } + body
  }

  /// The caller closes it.
  static func memory(_ bytes: [UInt8]) throws -> FileDescriptor {
    let memory = FileDescriptor(
      rawValue: try call("memfd_create") { clinux_memfd("coracle-request", 0) })
    do {
      try memory.writeAll(bytes)
      return memory
    } catch {
      try? memory.close()
      throw error
    }
  }
}
