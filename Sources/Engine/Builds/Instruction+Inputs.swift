import Dockerfile
import OCIModel

extension Instruction {
  /// What an instruction says itself, after its variables got their values. Not what it finds.
  var ownInputs: StepInputs {
    var inputs: StepInputs = ["instruction": keyword.rawValue]
    func set(_ assignments: [Assignment], _ what: String) {
      for assignment in assignments { inputs["\(what) \(assignment.name.text)"] = assignment.value.text }
    }
    func set(_ command: StepCommand) {
      switch command {
      case .exec(let list):
        inputs["form"] = "exec"
        inputs["command"] = "\(list)"
      case .shell(let text, let heredocs):
        inputs["form"] = "shell"
        inputs["command"] = text
        for (index, heredoc) in heredocs.enumerated() { inputs["heredoc \(index)"] = heredoc.content }
      }
    }
    func list(_ words: [Word]) -> String { "\(words.map(\.text))" }
    switch content {
    // What a stage begins with is in the key of its first instruction.
    case .from: break
    case .run(let step):
      set(step.command)
      for (index, mount) in step.mounts.enumerated() { inputs["mount \(index)"] = mount.summary }
    case .copy(let transfer), .add(let transfer):
      inputs["sources"] = list(transfer.sources)
      inputs["destination"] = transfer.destination.text
      if let owner = transfer.owner { inputs["--chown"] = owner.text }
      if let mode = transfer.mode { inputs["--chmod"] = mode.text }
      if !transfer.excludes.isEmpty { inputs["--exclude"] = list(transfer.excludes) }
      if transfer.keepsParents { inputs["--parents"] = "true" }
      if let unpacks = transfer.unpacks { inputs["--unpack"] = "\(unpacks)" }
    case .env(let assignments): set(assignments, "variable")
    case .label(let assignments): set(assignments, "label")
    case .arg(let declarations):
      // A proxy as well: only where no ARG names it, it decides about nothing.
      for declaration in declarations {
        inputs["argument \(declaration.name.text)"] = declaration.value.map { "'\($0.text)'" } ?? "not given"
      }
    case .expose(let words): inputs["ports"] = list(words)
    case .user(let word): inputs["user"] = word.text
    case .workdir(let word): inputs["directory"] = word.text
    case .volume(let words): inputs["volumes"] = list(words)
    case .stopSignal(let word): inputs["signal"] = word.text
    case .command(let command), .entrypoint(let command): set(command)
    case .shell(let list): inputs["shell"] = "\(list)"
    case .healthcheck(let test):
      if let command = test.command { set(command) }
      inputs["times"] =
        "\(test.interval) \(test.timeout) \(test.startPeriod) \(test.startInterval) \(test.retries)"
    case .onBuild(let text): inputs["trigger"] = text
    case .maintainer(let name): inputs["name"] = name
    }
    return inputs
  }
}

extension RunMount {
  /// All of it but the content.
  fileprivate var summary: String {
    let parts: [String?] = [
      kind.rawValue, from.map { "from=\($0)" }, source.map { "source=\($0)" }, target.map { "target=\($0)" },
      isReadOnly ? nil : "rw", size.map { "size=\($0)" }, id.map { "id=\($0)" },
      sharing.map { "sharing=\($0.rawValue)" }, variable.map { "env=\($0)" }, mode.map { "mode=\($0)" },
      user.map { "uid=\($0)" }, group.map { "gid=\($0)" }, isRequired ? "required" : nil,
    ]
    return parts.compactMap { $0 }.joined(separator: ",")
  }
}
