/// What all processes of a container together may use. In an update 0, or an empty text, takes a limit away.
package struct ResourceLimits: Hashable, Sendable, Codable {
  package var memoryBytes: Int64?
  package var memoryReservationBytes: Int64?
  /// Besides the memory.
  package var swapBytes: Int64?
  /// In a thousandth of one processor.
  package var cpuMillis: Int64?
  /// 1 to 10000 against 100 of others.
  package var cpuWeight: Int64?
  package var cpuSet: String?
  package var memoryNodes: String?
  /// Processes and threads.
  package var processes: Int64?
  /// 1 to 10000 against 100 of others.
  package var ioWeight: Int64?
  package var ioRates: [DeviceRate]?

  package init() {}
}

/// How fast a container may use one disk; each a second.
package struct DeviceRate: Hashable, Sendable, Codable {
  /// A path, or `major:minor`.
  package var device: String
  package var readBytes: Int64?
  package var writeBytes: Int64?
  package var reads: Int64?
  package var writes: Int64?

  package init(device: String) { self.device = device }
}

/// A limit of setrlimit(2) for each process.
package struct Ulimit: Hashable, Sendable, Codable {
  /// As `nofile`.
  package var name: String
  /// Nil is without a limit.
  package var soft: UInt64?
  package var hard: UInt64?

  package init(name: String, soft: UInt64?, hard: UInt64?) {
    self.name = name
    self.soft = soft
    self.hard = hard
  }
}
