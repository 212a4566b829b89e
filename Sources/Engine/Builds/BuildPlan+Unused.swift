import Dockerfile
import EngineErrors
import OCIModel

/// What a build was given and nothing asks for, and what may be meant.
typealias UnusedInput = (name: String, near: String?)

/// What of a request the file asks for, in whatever stage: one request may serve several targets.
extension BuildPlan {
  private func unused(_ given: some Sequence<String>, _ asked: Set<String>) -> [UnusedInput] {
    given.filter { !asked.contains($0) }.sorted().map { ($0, NearMiss.of($0, in: asked, ignoringCase: true)) }
  }

  /// Arguments that no ARG declares, and that mean nothing to the builder.
  func unusedArguments(_ request: BuildRequest) -> [UnusedInput] {
    let given = request.arguments.keys.filter {
      !GlobalScope.predefined.contains($0) && $0 != "SOURCE_DATE_EPOCH" && !$0.hasPrefix("BUILDKIT_")
    }
    if given.isEmpty { return [] }
    var declared = global.declared
    for instruction in instructions {
      guard case .arg(let declarations) = instruction.content else { continue }
      declared.formUnion(declarations.map(\.name.text))
    }
    return unused(given, declared)
  }

  /// Secrets that no RUN mounts, less those that git is given.
  func unusedSecrets(_ request: BuildRequest) -> [UnusedInput] {
    let isForGit = asksElsewhere(request)
    let given = request.secrets.keys.filter {
      !(isForGit && ($0.hasPrefix("GIT_AUTH_TOKEN") || $0.hasPrefix("GIT_AUTH_HEADER")))
    }
    guard !given.isEmpty, let asked = mountNames(.secret) else { return [] }
    return unused(given, asked)
  }

  /// Agents that no RUN asks for, and git neither.
  func unusedAgents(_ request: BuildRequest) -> [UnusedInput] {
    let isForGit = asksElsewhere(request)
    let given = request.agents.keys.filter { !(isForGit && $0 == "default") }
    guard !given.isEmpty, let asked = mountNames(.ssh) else { return [] }
    return unused(given, asked)
  }

  /// Whether something may be fetched with git.
  private func asksElsewhere(_ request: BuildRequest) -> Bool {
    if case .remote = request.context { return true }
    for case .remote in request.namedContexts.values { return true }
    return instructions.contains { $0.keyword == .add }
  }

  /// The names under which RUNs mount something; nil where variables stand in them, for which only a step knows.
  private func mountNames(_ kind: RunMount.Kind) -> Set<String>? {
    var names: Set<String> = []
    for instruction in instructions {
      guard case .run(let step) = instruction.content else { continue }
      for mount in step.mounts where mount.kind == kind || mount.word.text.contains("$") {
        if mount.word.text.contains("$") { return nil }
        names.insert(kind == .ssh ? mount.id ?? "default" : mount.secretName)
      }
    }
    return names
  }

  private var instructions: some Sequence<Instruction> { dockerfile.stages.lazy.flatMap(\.instructions) }
}

extension RunMount {
  /// Which secret is meant, as BuildKit finds its name.
  var secretName: String {
    id ?? source ?? (target ?? "").split(separator: "/").last.map(String.init) ?? ""
  }
}
