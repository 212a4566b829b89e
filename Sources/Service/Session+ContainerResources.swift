import Engine
import EngineErrors
import RPCModel
import Runner

extension Session {
  func containerUpdate(_ params: ContainerUpdate.Params, _ context: RequestContext) async throws
    -> ContainerUpdate.Result
  {
    let (limits, warnings) = try await engine.update(
      params.container, limits: params.limits.map { .init($0) }, restart: params.restart.map { .init($0) })
    return ContainerUpdate.Result(limits: .init(limits), warnings: warnings.wire)
  }

  func containerTop(_ params: ContainerTop.Params, _ context: RequestContext) async throws
    -> ContainerTop.Result
  {
    let processes = try await engine.processes(params.container)
    return ContainerTop.Result(processes: processes.map { .init($0) })
  }

  func containerStats(_ params: ContainerStats.Params, _ context: RequestContext) async throws
    -> ContainerStats.Result
  {
    guard params.follow ?? false else {
      return ContainerStats.Result(stats: try await engine.sample(params.containers).map { .init($0) })
    }
    let last = try await engine.follow(
      params.containers, every: .milliseconds(params.intervalMs ?? 1000)
    ) { [self] samples in
      notify(
        ContainerStatsSampledNotification(request: context.id, stats: samples.map { .init($0) }),
        coalescingKey: "stats \(context.id)")
    }
    return ContainerStats.Result(stats: last.map { .init($0) })
  }
}

extension [Engine.ContainerWarning] {
  /// Nil where there is none.
  var wire: [RPCModel.ContainerWarning]? {
    isEmpty ? nil : map { .init(subject: $0.subject, reason: $0.reason) }
  }
}

extension RPCModel.ContainerProcess {
  init(_ process: LivingProcess) {
    self.init(
      pid: Int(process.pid), containerPid: Int(process.containerPid), parentPid: Int(process.parent),
      user: Int(process.user), state: process.state, threads: Int(clamping: process.threads),
      cpuTimeUs: Int(clamping: process.cpuTime), residentBytes: Int(clamping: process.residentBytes),
      startedAt: WireTime.text(process.startedAt), command: process.command)
  }
}

extension RPCModel.ContainerSample {
  init(_ sample: Engine.ContainerSample) {
    func number(_ value: UInt64?) -> Int? { value.map { Int(clamping: $0) } }
    let usage = sample.usage
    self.init(
      container: sample.id, name: sample.name, at: WireTime.text(sample.at),
      cpuTimeUs: Int(clamping: usage.cpuTime), cpuPermille: sample.cpuPermille.map { Int(clamping: $0) },
      throttledUs: number(usage.throttledTime), memoryBytes: Int(clamping: usage.memory),
      memoryPeakBytes: number(usage.memoryPeak), memoryLimitBytes: number(usage.memoryLimit),
      swapBytes: number(usage.swap), outOfMemoryKills: number(usage.outOfMemoryKills),
      processes: Int(clamping: usage.processes), processLimit: number(usage.processLimit),
      readBytes: number(usage.readBytes), writtenBytes: number(usage.writtenBytes),
      receivedBytes: number(usage.receivedBytes), sentBytes: number(usage.sentBytes))
  }
}
