package import EngineErrors
import FoundationEssentials
import LinuxSystem

/// What the runtime knows of a container, as `state.json` has it: the state of the OCI specification, and what later commands
/// need besides.
package struct ContainerState: Hashable, Sendable, Codable {
  package enum Status: String, Hashable, Sendable, Codable {
    case creating, created, running, paused, stopped
  }

  package var ociVersion: String
  package var id: String
  package var status: Status
  /// Of the first process, as this process counts; 0 while there is none, and when it has ended.
  package var pid: Int32
  package var bundle: String
  package var rootfs: String
  package var annotations: [String: String]?
  /// RFC 3339.
  package var created: String
  /// With the number it names one process for good; in clock ticks since boot.
  package var startTime: UInt64

  package init(id: String, bundle: String, rootfs: String, ociVersion: String, created: String) {
    self.id = id
    self.bundle = bundle
    self.rootfs = rootfs
    self.ociVersion = ociVersion
    self.created = created
    status = .creating
    pid = 0
    startTime = 0
  }

  /// Whether the first process is there and has not ended.
  package var isAlive: Bool {
    guard pid > 0, let process = ProcessStatus(pid: pid) else { return false }
    return process.startTime == startTime && !process.isZombie
  }

  /// The state of the specification alone, for callers and hooks.
  package func json(pretty: Bool = false) throws(EngineError) -> [UInt8] {
    struct Public: Encodable {
      var ociVersion: String
      var id: String
      var pid: Int32
      var status: Status
      var bundle: String
      var rootfs: String
      var created: String
      var annotations: [String: String]?
      var owner = ""
    }
    return try encodeJSON(
      Public(
        ociVersion: ociVersion, id: id, pid: pid, status: status, bundle: bundle, rootfs: rootfs,
        created: created, annotations: annotations), pretty: pretty)
  }
}

/// - Throws: `internal` for a value that JSON cannot hold.
package func encodeJSON(_ value: some Encodable, pretty: Bool = false) throws(EngineError) -> [UInt8] {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
  if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
  do { return Array(try encoder.encode(value)) } catch {
    throw EngineError(.internal, "cannot write JSON", causes: ["\(error)"])
  }
}

/// - Throws: `invalidArgument` that says what is wrong where.
package func decodeJSON<Value: Decodable>(
  _ type: Value.Type, _ bytes: [UInt8], of what: String
) throws(EngineError) -> Value {
  do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
    let context: DecodingError.Context? =
      switch error as? DecodingError {
      case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
        .dataCorrupted(let found):
        found
      default: nil
      }
    let place = (context?.codingPath ?? []).map(\.stringValue).joined(separator: ".")
    throw EngineError(
      .invalidArgument, "cannot read \(what)", subject: what,
      causes: [
        place.isEmpty
          ? context?.debugDescription ?? "\(error)" : "\(place): \(context?.debugDescription ?? "")"
      ])
  }
}
