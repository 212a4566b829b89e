import ArgumentParser
import RPCModel

/// What `run` and `create` say of a new container's life.
struct LifeOptions: ParsableArguments, Sendable {
  @Option(help: "no, on-failure, on-failure:TIMES, always or unless-stopped.") var restart: String?
  @Flag(name: .customLong("init"), help: "Let a first process of the engine's own reap orphans.")
  var initProcess =
    false
  @Flag(help: "Remove it with this session, however that ends.") var session = false
  @Option(help: "A command for its shell that says whether it is well, by its exit code.") var healthCmd:
    String?
  @Option(help: "Between two such looks, as 30s or 500ms.") var healthInterval: Period?
  @Option(help: "After which a look has failed.") var healthTimeout: Period?
  @Option(help: "In which failures do not count.") var healthStartPeriod: Period?
  @Option(help: "Between two looks in that period.") var healthStartInterval: Period?
  @Option(help: "So many failures in a row are unhealthy.") var healthRetries: Int?
  @Flag(help: "Do without the image's health check.") var noHealthcheck = false

  func apply(to creation: inout ContainerCreation) throws {
    creation.restart = try restart.map(RestartPolicy.init(word:))
    if initProcess { creation.initProcess = true }
    if session { creation.lifetime = .session }
    creation.health = health
  }

  private var health: HealthCheck? {
    if noHealthcheck { return HealthCheck(test: ["NONE"]) }
    var check = HealthCheck(test: healthCmd.map { ["CMD-SHELL", $0] } ?? [])
    check.intervalMs = healthInterval?.milliseconds
    check.timeoutMs = healthTimeout?.milliseconds
    check.startPeriodMs = healthStartPeriod?.milliseconds
    check.startIntervalMs = healthStartInterval?.milliseconds
    check.retries = healthRetries
    return check == HealthCheck(test: []) ? nil : check
  }
}

extension RestartPolicy {
  /// - Throws: for what is none.
  init(word text: String) throws {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    switch (parts.first, parts.dropFirst().first) {
    case ("no", nil), ("never", nil): self.init(kind: .never)
    case ("always", nil): self.init(kind: .always)
    case ("unless-stopped", nil): self.init(kind: .unlessStopped)
    case ("on-failure", nil): self.init(kind: .onFailure)
    case ("on-failure", let times?) where Int(times) ?? 0 > 0:
      self.init(kind: .onFailure, maximumRetries: Int(times))
    default:
      throw RPCError(
        .invalidArgument, "there is no restart policy \(text)",
        hint: "it is no, on-failure, on-failure:TIMES, always or unless-stopped")
    }
  }
}
