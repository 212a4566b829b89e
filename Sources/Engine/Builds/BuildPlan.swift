import Dockerfile
import EngineErrors
import OCIModel

/// Which stages a build needs, and what each takes from where.
struct BuildPlan {
  /// What FROM, --from and mounts name.
  enum Origin: Hashable {
    case scratch
    case stage(Int)
    case image(String)
    case context(NamedContext)
  }

  let dockerfile: Dockerfile
  let global: GlobalScope
  private let contexts: [String: NamedContext]

  init(_ dockerfile: Dockerfile, _ global: GlobalScope, _ contexts: [String: NamedContext]) {
    self.dockerfile = dockerfile
    self.global = global
    self.contexts = contexts
  }

  /// The context that was given for a stage's own name: it is the whole stage then, and none of its instructions is carried out.
  func replacement(of index: Int) -> NamedContext? {
    dockerfile.stages[index].name.flatMap { context($0) }
  }

  /// - Throws: `invalidArgument` where a variable leaves no name.
  func base(of index: Int) throws(EngineError) -> Origin {
    if let replacement = replacement(of: index) { return .context(replacement) }
    let word = dockerfile.stages[index].base.image
    let name = try global.expand(word).text
    guard !name.isEmpty else {
      throw dockerfile.file.error(
        "FROM has no image: '\(word.text)' is empty", at: word.position, hint: "give its ARG a value")
    }
    if let stage = dockerfile.stage(name, before: index), Int(name) == nil { return .stage(stage) }
    if name == "scratch" { return .scratch }
    return named(name)
  }

  /// What `--from` of a step means.
  ///
  /// - Throws: `invalidArgument` for a stage that comes later, for the step's own, or for a number that no stage has.
  func source(_ name: String, in index: Int, at position: SourcePosition) throws(EngineError) -> Origin {
    if let stage = dockerfile.stage(name, before: index) { return .stage(stage) }
    if let context = context(name) { return .context(context) }
    if let later = dockerfile.stage(name, before: dockerfile.stages.count) {
      throw dockerfile.file.error(
        later == index
          ? "the stage \(name) cannot take files from itself" : "the stage \(name) comes only later",
        at: position, hint: "a stage takes files from those before it")
    }
    if name == "scratch" { return .scratch }
    if Int(name) != nil {
      let count = dockerfile.stages.count
      throw dockerfile.file.error(
        "there is no stage \(name): the file has \(count == 1 ? "one" : "\(count)"), counted from 0",
        at: position,
        hint: "name the stage with FROM ... AS, or the image with its tag")
    }
    return named(name)
  }

  /// The context that stands for a name.
  func context(_ name: String) -> NamedContext? { key(of: name).flatMap { contexts[$0] } }

  /// What a context's name has to be for it: the same in lower case, as stages are called, or an image's in another form.
  private func key(of name: String) -> String? {
    if contexts.isEmpty { return nil }
    if contexts[name] != nil { return name }
    let names = contexts.keys.sorted()
    if let key = names.first(where: { $0.lowercased() == name.lowercased() }) { return key }
    guard let wanted = try? Reference(parsing: name) else { return nil }
    return names.first { (try? Reference(parsing: $0)) == wanted }
  }

  /// Contexts that nothing in the file names, each with what may be meant.
  func unusedContexts() -> [UnusedInput] {
    if contexts.isEmpty { return [] }
    var names = dockerfile.stages.compactMap(\.name)
    for stage in dockerfile.stages {
      if let text = try? global.expand(stage.base.image).text { names.append(text) }
      names += stage.instructions.flatMap(\.sourceNames).map(\.text)
    }
    let used = Set(names.compactMap { key(of: $0) })
    // What variables stand for there is only known to a step.
    if names.contains(where: { $0.contains("$") }) { return [] }
    return contexts.keys.sorted().filter { !used.contains($0) }.map {
      ($0, NearMiss.of($0, in: names, ignoringCase: true))
    }
  }

  private func named(_ name: String) -> Origin { context(name).map { .context($0) } ?? .image(name) }

  /// The stages that one needs, itself included, in the file's order.
  func stages(for target: Int) throws(EngineError) -> [Int] {
    var needed: Set<Int> = []
    var rest = [target]
    while let index = rest.popLast() {
      if Task.isCancelled { throw .cancelled("building") }
      guard needed.insert(index).inserted else { continue }
      if case .stage(let base) = try base(of: index) { rest.append(base) }
      if replacement(of: index) != nil { continue }
      for instruction in dockerfile.stages[index].instructions {
        for name in instruction.sourceNames {
          if case .stage(let stage) = try source(name.text, in: index, at: name.position) {
            rest.append(stage)
          }
        }
      }
    }
    return needed.sorted()
  }
}

extension BuildPlan {
  /// A stage and those that it begins with: all that its image consists of.
  func chain(of target: Int) throws(EngineError) -> Set<Int> {
    var chain: Set<Int> = [target]
    var index = target
    while case .stage(let base) = try base(of: index), chain.insert(base).inserted { index = base }
    return chain
  }
}

extension Instruction {
  /// Stages and images that it takes files from.
  var sourceNames: [Word] {
    switch content {
    case .copy(let transfer): transfer.from.map { [$0] } ?? []
    case .run(let step):
      step.mounts.compactMap { mount in mount.from.map { Word($0, at: mount.word.position) } }
    default: []
    }
  }
}
