package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
import Runner

extension OCIRuntime {
  /// Holds all processes of a container.
  ///
  /// - Throws: `notFound`; `conflict` for one that does not run, or waits in the kernel; `unsupported` where it can have no
  ///   control group.
  package func pause(_ id: String) throws(EngineError) {
    let held = try root.directory(of: id).open()
    switch held.state.status {
    case .created, .running: break
    case .paused, .stopped, .creating:
      throw EngineError(
        .conflict, "cannot pause container \(id) that is \(held.state.status.rawValue)", subject: id)
    }
    try group(held).freeze()
  }

  /// Lets the processes of a paused container go on.
  ///
  /// - Throws: `notFound`; `conflict` for one that is not paused.
  package func resume(_ id: String) throws(EngineError) {
    let held = try root.directory(of: id).open()
    guard let group = BundleControlGroup.of(held.directory.path), group.isFrozen else {
      throw EngineError(.conflict, "cannot resume container \(id) that is not paused", subject: id)
    }
    group.thaw()
  }

  /// Gives a container new limits: those that are said; the others stay.
  ///
  /// - Throws: `notFound`; `conflict` for one that has stopped, or that uses more memory; `invalidArgument` for what the
  ///   kernel refuses. The limits are what they were then.
  package func update(_ id: String, _ resources: RuntimeSpec.Resources) throws(EngineError) {
    let held = try root.directory(of: id).open()
    guard held.state.isAlive else {
      throw EngineError(.conflict, "cannot update container \(id) that has stopped", subject: id)
    }
    var resources = resources
    resources.devices = nil
    let group = try group(held)
    try group.checkUnified(resources)
    try group.checkMemory(resources)
    for missing in group.unapplied(resources) {
      warn("\(missing) does not apply: the machine has no file for it")
    }
    var spec = try configuration(held.directory)
    var old = spec.linux?.resources ?? .init()
    old.devices = nil
    do throws(EngineError) { try group.apply(resources) } catch {
      try? group.apply(old)
      throw error
    }
    var linux = spec.linux ?? .init()
    var whole = linux.resources ?? .init()
    whole.take(resources)
    linux.resources = whole
    spec.linux = linux
    do { try replaceFile(held.directory.configuration, try encodeJSON(spec), mode: 0o600) } catch {
      throw EngineError("write the configuration of container \(id)", wrapping: error)
    }
  }

  /// A container's group; one that has none gets one.
  private func group(_ held: HeldState) throws(EngineError) -> ControlGroup {
    if let group = BundleControlGroup.of(held.directory.path) { return group }
    let path = try configuration(held.directory).linux?.cgroupsPath
    return try BundleControlGroup(path, id: held.directory.id).adopt(
      first: held.state.pid, directory: held.directory.path)
  }
}

extension RuntimeSpec.Resources {
  /// Puts what another value says over this one's.
  fileprivate mutating func take(_ new: RuntimeSpec.Resources) {
    func over<Value>(_ old: inout Value?, _ new: Value?) { if let new { old = new } }
    if let change = new.memory {
      var memory = memory ?? .init()
      over(&memory.limit, change.limit)
      over(&memory.reservation, change.reservation)
      over(&memory.swap, change.swap)
      self.memory = memory
    }
    if let change = new.cpu {
      var cpu = cpu ?? .init()
      over(&cpu.shares, change.shares)
      over(&cpu.quota, change.quota)
      over(&cpu.period, change.period)
      over(&cpu.burst, change.burst)
      over(&cpu.cpus, change.cpus)
      over(&cpu.mems, change.mems)
      over(&cpu.idle, change.idle)
      self.cpu = cpu
    }
    if let change = new.blockIO {
      var blockIO = blockIO ?? .init()
      over(&blockIO.weight, change.weight)
      over(&blockIO.throttleReadBpsDevice, change.throttleReadBpsDevice)
      over(&blockIO.throttleWriteBpsDevice, change.throttleWriteBpsDevice)
      over(&blockIO.throttleReadIOPSDevice, change.throttleReadIOPSDevice)
      over(&blockIO.throttleWriteIOPSDevice, change.throttleWriteIOPSDevice)
      self.blockIO = blockIO
    }
    over(&pids, new.pids)
    over(&hugepageLimits, new.hugepageLimits)
    over(&rdma, new.rdma)
    if let files = new.unified { unified = (unified ?? [:]).merging(files) { $1 } }
  }
}
