import Engine
import EngineErrors
import RPCModel
import Runner

/// Published ports as the wire has them, and back.
extension Engine.PortMapping {
  /// - Throws: `invalidArgument` for ranges that do not fit, or an address that is none.
  static func each(_ mapping: RPCModel.PortMapping) throws(EngineError) -> [Engine.PortMapping] {
    guard let containerPort = UInt16(exactly: mapping.containerPort) else { throw invalid }
    let containerPorts = try range(containerPort, mapping.containerPortEnd)
    var hostPorts: ClosedRange<UInt16>?
    if let first = mapping.hostPort.flatMap(UInt16.init(exactly:)), first > 0 {
      hostPorts = try range(first, mapping.hostPortEnd)
    } else if mapping.hostPortEnd != nil {
      throw EngineError(
        .invalidArgument, "a range of the machine's ports has no first one", subject: "ports",
        hint: "begin it with 1 or more; 0, or none, for any free one, has no end")
    }
    return try each(
      address: mapping.address, hostPorts: hostPorts, containerPorts: containerPorts,
      mapping.transport == .udp ? .udp : .tcp)
  }

  private static func range(_ first: UInt16, _ last: Int?) throws(EngineError) -> ClosedRange<UInt16> {
    guard let last else { return first...first }
    guard let last = UInt16(exactly: last), first <= last else { throw invalid }
    return first...last
  }

  private static var invalid: EngineError {
    EngineError(
      .invalidArgument, "not a range of ports", subject: "ports",
      hint: "the first port is before the last one")
  }
}

extension RPCModel.PortMapping {
  init(_ mapping: Engine.PortMapping) {
    self.init(
      address: mapping.address, hostPort: mapping.hostPorts.map { Int($0.lowerBound) },
      hostPortEnd: mapping.hostPorts.flatMap { $0.count > 1 ? Int($0.upperBound) : nil },
      containerPort: Int(mapping.containerPort), transport: mapping.transport == .udp ? .udp : nil)
  }
}

extension RPCModel.PublishedPort {
  init(_ port: ForwardedPort) {
    self.init(
      address: port.address, hostPort: Int(port.hostPort), containerPort: Int(port.containerPort),
      transport: port.transport == .udp ? .udp : .tcp)
  }
}
