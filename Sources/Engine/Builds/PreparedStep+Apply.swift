import Dockerfile
import EngineErrors
import LinuxSystem
import Metadata
import OCIModel

/// What an instruction changes of a stage besides its files.
extension PreparedStep {
  func apply(to state: inout StageState, layer: LayerRecord?, _ time: BuildTime) throws {
    let file = run.dockerfile.file
    let told: String
    switch instruction.content {
    case .from: return
    case .run(let step): told = "RUN " + commandText(step.command, state)
    case .copy(let transfer): told = "COPY " + transferText(transfer)
    case .add(let transfer): told = "ADD " + transferText(transfer)
    case .env(let assignments):
      state.execution.env = state.scope.environment.environment
      told = "ENV " + Self.text(assignments)
    case .label(let assignments):
      for assignment in assignments {
        state.execution.labels = (state.execution.labels ?? [:]).merging(
          [assignment.name.text: assignment.value.text]) { $1 }
      }
      told = "LABEL " + Self.text(assignments)
    case .arg(let declarations):
      told =
        "ARG "
        + declarations.map { declaration in
          let name = declaration.name.text
          guard let value = declaration.value else { return name }
          return "\(name)=\(value.text)"
        }.joined(separator: " ")
    case .expose(let words):
      var names: [String] = []
      for word in words {
        guard let (ports, _) = ExposedPort.parse(word.text) else {
          throw file.error(
            "EXPOSE: '\(word.text)' is not a port", at: word.position, hint: "write it as 80 or 53/udp")
        }
        names += ports.map(\.name)
      }
      state.execution.exposedPorts = (state.execution.exposedPorts ?? [:]).merging(
        names.map { ($0, ImageConfig.Empty()) }
      ) { $1 }
      told = "EXPOSE " + names.joined(separator: " ")
    case .user(let word):
      guard !word.text.isEmpty else { throw file.error("USER: the name is empty", at: word.position) }
      state.execution.user = word.text
      told = "USER " + word.text
    case .workdir(let word):
      state.execution.workingDir = state.absolute(word.text)
      told = "WORKDIR " + state.absolute(word.text)
    case .volume(let words):
      for word in words {
        guard !word.text.isEmpty else { throw file.error("VOLUME: a path is empty", at: word.position) }
      }
      state.execution.volumes = (state.execution.volumes ?? [:]).merging(
        words.map { ($0.text, ImageConfig.Empty()) }
      ) { $1 }
      told = "VOLUME " + words.map(\.text).joined(separator: " ")
    case .stopSignal(let word):
      guard Signal(word.text) != nil else {
        throw file.error(
          "STOPSIGNAL: '\(word.text)' is not a signal", at: word.position,
          hint: "write it by its name, as SIGTERM, or by its number, 1 to 64")
      }
      state.execution.stopSignal = word.text
      told = "STOPSIGNAL " + word.text
    case .command(let command):
      state.execution.cmd = arguments(command, state)
      state.setsCommand = true
      told = "CMD \(Self.list(state.execution.cmd ?? []))"
    case .entrypoint(let command):
      state.execution.entrypoint = arguments(command, state)
      // The arguments of an earlier program are not those of this one.
      if !state.setsCommand { state.execution.cmd = nil }
      told = "ENTRYPOINT \(Self.list(state.execution.entrypoint ?? []))"
    case .shell(let list):
      state.execution.shell = list
      told = "SHELL \(Self.list(list))"
    case .healthcheck(let test):
      state.execution.healthcheck = healthcheck(test, state)
      told = "HEALTHCHECK \(Self.list(state.execution.healthcheck?.test ?? []))"
    case .onBuild(let text):
      state.execution.onBuild = (state.execution.onBuild ?? []) + [text]
      told = "ONBUILD " + text
    case .maintainer(let name):
      state.config.author = name
      told = "MAINTAINER " + name
    }
    state.tell(told, layer: layer, at: time.text)
  }

  func shell(_ state: StageState) -> [String] {
    let shell = state.execution.shell ?? []
    return shell.isEmpty ? ["/bin/sh", "-c"] : shell
  }

  private func arguments(_ command: StepCommand, _ state: StageState) -> [String] {
    switch command {
    case .exec(let list): list
    case .shell(let text, _): shell(state) + [text]
    }
  }

  private func healthcheck(_ test: HealthTest, _ state: StageState) -> ImageConfig.Healthcheck {
    var check = ImageConfig.Healthcheck()
    switch test.command {
    case nil: check.test = ["NONE"]
    case .exec(let list): check.test = ["CMD"] + list
    case .shell(let text, _): check.test = ["CMD-SHELL", text]
    }
    func unlessZero(_ value: Int64) -> Int64? { value == 0 ? nil : value }
    check.interval = unlessZero(test.interval)
    check.timeout = unlessZero(test.timeout)
    check.startPeriod = unlessZero(test.startPeriod)
    check.startInterval = unlessZero(test.startInterval)
    check.retries = unlessZero(test.retries)
    return check
  }

  /// As histories have it: the arguments first, with their number.
  private func commandText(_ command: StepCommand, _ state: StageState) -> String {
    var seen: Set<String> = []
    let names = scope.arguments.map(\.name).filter { seen.insert($0).inserted }
    let values = names.map { "\($0)=\(scope.variables[$0] ?? "")" }
    let prefix = values.isEmpty ? "" : (["|\(values.count)"] + values).joined(separator: " ") + " "
    switch command {
    case .exec(let list): return prefix + list.joined(separator: " ")
    case .shell: return prefix + runArguments(command, state).joined(separator: " ")
    }
  }

  private func transferText(_ transfer: Transfer) -> String {
    var parts: [String] = []
    if transfer.keepsParents { parts.append("--parents") }
    if let from = transfer.from { parts.append("--from=\(from.text)") }
    if let owner = transfer.owner { parts.append("--chown=\(owner.text)") }
    if let mode = transfer.mode { parts.append("--chmod=\(mode.text)") }
    parts += transfer.sources.map(\.text) + transfer.inline.map { "<<" + $0.name }
    return (parts + [transfer.destination.text]).joined(separator: " ")
  }

  private static func text(_ assignments: [Assignment]) -> String {
    assignments.map { "\($0.name.text)=\($0.value.text)" }.joined(separator: " ")
  }

  private static func list(_ words: [String]) -> String {
    "[" + words.map { "\"\($0)\"" }.joined(separator: " ") + "]"
  }
}
