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

  private let dockerfile: Dockerfile
  private let global: GlobalScope
  private let contexts: [String: NamedContext]

  init(_ dockerfile: Dockerfile, _ global: GlobalScope, _ contexts: [String: NamedContext]) {
    self.dockerfile = dockerfile
    self.global = global
    self.contexts = contexts
  }

  /// The context that was given for a stage's own name: it is the whole stage then, and none of its instructions is carried out.
  func replacement(of index: Int) -> NamedContext? {
    dockerfile.stages[index].name.flatMap { contexts[$0] }
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
    if let context = contexts[name] { return .context(context) }
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

  /// The context that stands for a name, which may be an image's in another form.
  func context(_ name: String) -> NamedContext? {
    if let context = contexts[name] { return context }
    guard !contexts.isEmpty, let wanted = try? Reference(parsing: name) else { return nil }
    return contexts.sorted { $0.key < $1.key }.first { (try? Reference(parsing: $0.key)) == wanted }?.value
  }

  private func named(_ name: String) -> Origin { context(name).map { .context($0) } ?? .image(name) }

  /// The stages that one needs, itself included, in the file's order.
  func stages(for target: Int) throws(EngineError) -> [Int] {
    var needed: Set<Int> = []
    var rest = [target]
    while let index = rest.popLast() {
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
