import CLinux
internal import EngineErrors

/// What the shim does with the host's privilege, and what takes it up.
extension LaunchPlan.Operation {
  func encodeHostSide(to encoder: inout PlanEncoder) throws(EngineError) {
    typealias Mapping = LaunchPlan.UserMapping
    switch self {
    case .mapUsers(let mapping):
      try encoder.operation(CLINUX_OP_MAP_USERS) { (fields) throws(EngineError) in
        try fields.string(Mapping.text(mapping.users))
        try fields.string(Mapping.text(mapping.groups))
        fields.number(Mapping.root(mapping.users) ?? 0)
        fields.number(Mapping.root(mapping.groups) ?? 0)
        fields.number(mapping.makesNetwork ? 1 : 0)
      }
    case .prepareOverlay(let lowers, let directory, let mapping):
      try encoder.operation(CLINUX_OP_PREPARE_OVERLAY) { (fields) throws(EngineError) in
        fields.number(Mapping.root(mapping.users) ?? 0)
        fields.number(Mapping.root(mapping.groups) ?? 0)
        fields.number(lowers.count)
        for lower in lowers { try fields.path(lower) }
        try fields.path(directory)
      }
    case .prepareBind(let mount):
      try encoder.operation(CLINUX_OP_PREPARE_BIND) { (fields) throws(EngineError) in try fields.bind(mount) }
    case .attachRoot(let slot):
      encoder.numbers(CLINUX_OP_ATTACH_ROOT, [UInt64(slot)])
    case .attach(let slot, let target):
      try encoder.operation(CLINUX_OP_ATTACH) { (fields) throws(EngineError) in
        fields.number(slot)
        try fields.string(target)
      }
    default: break
    }
  }
}
