extension RuntimeSpec {
  /// What a container's control group allows (`linux.resources` of the OCI runtime specification).
  package struct Resources: Hashable, Sendable, Codable {
    package var devices: [DeviceRule]?
    package var memory: Memory?
    package var cpu: CPU?
    package var pids: PIDs?
    package var blockIO: BlockIO?
    package var hugepageLimits: [HugePageLimit]?
    /// By the device's name.
    package var rdma: [String: RDMA]?
    /// Files of cgroup v2 and what is written to them, in addition to and instead of the rest.
    package var unified: [String: String]?

    package init() {}

    /// Whether anything asks for a control group.
    package var isEmpty: Bool { self == Resources() }
  }

  /// Which devices may be used; the last rule that fits counts.
  package struct DeviceRule: Hashable, Sendable, Codable {
    package var allow: Bool
    /// a, b or c.
    package var type: String?
    package var major: Int64?
    package var minor: Int64?
    /// Of r, w and m.
    package var access: String?

    package init(
      allow: Bool, type: String? = nil, major: Int64? = nil, minor: Int64? = nil, access: String? = nil
    ) {
      self.allow = allow
      self.type = type
      self.major = major
      self.minor = minor
      self.access = access
    }
  }

  /// In bytes; -1 is without a limit.
  package struct Memory: Hashable, Sendable, Codable {
    package var limit: Int64?
    package var reservation: Int64?
    /// Memory and swap together.
    package var swap: Int64?
    package var swappiness: UInt64?
    package var disableOOMKiller: Bool?

    package init() {}
  }

  package struct HugePageLimit: Hashable, Sendable, Codable {
    /// As `2MB`.
    package var pageSize: String
    /// In bytes.
    package var limit: UInt64

    package init(pageSize: String, limit: UInt64) {
      self.pageSize = pageSize
      self.limit = limit
    }
  }

  package struct RDMA: Hashable, Sendable, Codable {
    package var hcaHandles: UInt32?
    package var hcaObjects: UInt32?

    package init() {}
  }

  package struct CPU: Hashable, Sendable, Codable {
    /// 2 to 262144 against 1024 of others.
    package var shares: UInt64?
    /// In microseconds of each period; -1 is without a limit.
    package var quota: Int64?
    package var period: UInt64?
    /// In microseconds that may be saved up.
    package var burst: UInt64?
    /// In microseconds, for processes of the real-time classes.
    package var realtimeRuntime: Int64?
    package var realtimePeriod: UInt64?
    package var cpus: String?
    package var mems: String?
    package var idle: Int64?

    package init() {}
  }

  package struct PIDs: Hashable, Sendable, Codable {
    /// Processes and threads; 0 and less is without a limit.
    package var limit: Int64

    package init(limit: Int64) { self.limit = limit }
  }

  package struct BlockIO: Hashable, Sendable, Codable {
    /// 10 to 1000.
    package var weight: UInt16?
    package var weightDevice: [DeviceWeight]?
    package var throttleReadBpsDevice: [Throttle]?
    package var throttleWriteBpsDevice: [Throttle]?
    package var throttleReadIOPSDevice: [Throttle]?
    package var throttleWriteIOPSDevice: [Throttle]?

    package init() {}
  }

  package struct DeviceWeight: Hashable, Sendable, Codable {
    package var major: Int64
    package var minor: Int64
    package var weight: UInt16?
  }

  /// A second's bytes or operations of one disk; 0 is without a limit.
  package struct Throttle: Hashable, Sendable, Codable {
    package var major: Int64
    package var minor: Int64
    package var rate: UInt64

    package init(major: Int64, minor: Int64, rate: UInt64) {
      self.major = major
      self.minor = minor
      self.rate = rate
    }
  }
}

extension RuntimeSpec.ResourceLimit {
  /// What `type` may be (setrlimit(2)).
  package static let types = [
    "RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
  ]
}
