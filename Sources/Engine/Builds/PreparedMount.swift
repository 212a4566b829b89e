import Dockerfile
import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage

/// A mount of RUN with what it shows.
struct PreparedMount: Sendable {
  let mount: RunMount
  /// Absolute, in the container.
  let target: String
  /// What is copied for a bind mount, or into a cache that is not there yet.
  private(set) var copy: CopyStep?
  private(set) var inputs: StepInputs = [:]
  /// As the step's.
  private(set) var unknown: String?
  /// The name of the one file that is mounted; nil for a directory.
  var file: String? {
    copy?.matches.first?.isDirectory == false ? copy?.matches.first?.entries.first?.target : nil
  }

  init(_ mount: RunMount, _ step: PreparedStep, _ state: StageState) async throws {
    self.mount = mount
    let file = step.run.dockerfile.file
    func fail(_ message: String, _ hint: String? = nil) -> EngineError {
      file.error("RUN: \(message)", at: mount.word.position, hint: hint)
    }
    let identifier = mount.id ?? mount.source
    switch mount.kind {
    case .secret:
      guard let name = identifier ?? mount.target?.split(separator: "/").last.map(String.init) else {
        throw fail("it is not said which secret is meant", "add id=NAME")
      }
      if step.run.request.secrets[name] == nil, mount.isRequired {
        throw fail("the secret \(name) is not given", "give it to the build")
      }
      target = mount.target ?? "/run/secrets/\(name.split(separator: "/").last ?? "secret")"
    case .ssh:
      let name = mount.id ?? "default"
      if step.run.request.agents[name] == nil, mount.isRequired {
        throw fail("the SSH agent \(name) is not given", "give it to the build (--ssh \(name)=SOCKET)")
      }
      target = mount.target ?? "/run/buildkit/ssh_agent.\(step.mounts.count { $0.mount.kind == .ssh })"
    case .bind, .cache, .tmpfs:
      target = state.absolute(mount.target ?? "")
      guard target != "/" else { throw fail("nothing can be mounted on /") }
    }
    guard mount.kind == .bind || (mount.kind == .cache && mount.from != nil) else { return }
    let from = mount.from.map { Word($0, at: mount.word.position) }
    let root: SourceRoot
    switch try await step.root(from, state) {
    case .there(let found): root = found
    case .unknown(let why):
      unknown = why
      return
    }
    let source = Word(mount.source ?? ".", at: mount.word.position)
    let matches = try await onBlockingThread("select") {
      var selection = CopySelection(root, excluded: IgnoreRules(), keepsParents: false) {
        word, message, hint in
        file.error("RUN: \(message)", at: word.position, hint: hint)
      }
      // A mount's source is a path, and no pattern.
      try selection.select(source, takesPatterns: false)
      return CopyStep.matches(of: selection, in: root, unpacks: false)
    }
    let copy = CopyStep(
      transfer: Transfer(sources: [source], inline: [], destination: Word("/", at: source.position)),
      matches: matches, destination: "/",
      failure: { file.error("RUN: \($0)", at: mount.word.position, hint: $1) })
    let digests = step.run.digests
    inputs = try await untilCancelled { isCancelled in
      try await onBlockingThread("hash") { try copy.inputs(digests, isCancelled) }
    }
    self.copy = copy
  }
}
