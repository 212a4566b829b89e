import Foundation
import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// A store with what a request needs, and the request.
struct DeathScene: Sendable {
  let store: TestStore
  let server: FaultyServer
  let image: ServedImage
  let request: DoomedRequest

  var name: String { "\(server.host)/app:1" }
  /// The layer that the damage is done to.
  private var damaged: OCIModel.Digest { OCIModel.Digest(of: image.layers[0]) }
  var archive: FilePath { store.directory.appending("image.tar") }
  var layout: FilePath { store.directory.appending("layout") }

  /// Of two layers, the upper of which needs the lower one's directories. Only one that is to run has programs.
  private static func image(_ lower: [UInt8]) async throws -> (image: ServedImage, tar: [UInt8]) {
    try await withTemporaryDirectory { directory in
      let script =
        "mkdir -p u/deep/er; echo y > u/deep/er/upper; tar --owner 0 --group 0 -C u -cf - deep/er/upper"
      let upper = try await ChildProcess.run(["sh", "-ec", script], workingDirectory: directory).stdout
      return (try await ServedImage(tars: [lower, upper]), lower)
    }
  }
  private static let small = Task {
    try await withTemporaryDirectory { directory in
      let script =
        "mkdir -m 755 l; cd l; mkdir -p deep/er; seq 4000 > deep/er/lower; echo z > deep/other; tar --owner 0 --group 0 -cf - ."
      return try await image(
        try await ChildProcess.run(["sh", "-ec", script], workingDirectory: directory).stdout)
    }
  }
  private static let busybox = Task {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await image(try await store.busyboxArchive("mkdir -p deep/er; echo x > deep/er/lower").readAll())
    }
  }

  static func served(for request: DoomedRequest) async throws -> ServedImage {
    try await (request == .run ? busybox : small).value.image
  }

  // MARK: Before

  /// Makes what the request needs to be there.
  func prepare() async throws {
    let service = try await store.service()
    switch request {
    case .pull: break
    case .pullOverStale:
      try await shell(
        "echo x > ingest/\(String(repeating: "b", count: 64)).partial; touch -d '25 hours ago' ingest/*.partial"
      )
    case .load:
      try await pull(service)
      _ = try await service.send(ImageSave.self, .init(images: [name], path: archive.string))
      _ = try await service.send(ImageRemove.self, .init(image: name))
    case .importing: try archive.write(try await Self.small.value.tar)
    case .commit:
      try await pull(service)
      let container = try await create(service)
      try await shell("cd containers/\(container)/upper; echo new > new; chown --reference=. new")
    case .save, .saveDirectory, .create, .run, .removeImage: try await pull(service)
    case .removeContainer:
      try await pull(service)
      _ = try await create(service)
    case .verifyBlob:
      try await pull(service)
      try await shell(flippingByte(of: "blobs/sha256/\(damaged.hex)"))
    case .verifyTree:
      try await pull(service)
      try await shell(
        "for tree in layers/*/diff; do if test -e $tree/deep/er/lower; then echo z > $tree/deep/er/lower; fi; done"
      )
    case .open, .createVolume, .createWithVolume: try await pull(service)
    case .importVolume:
      try await pull(service)
      try archive.write(try await Self.small.value.tar)
    case .fillVolume, .removeVolume:
      try await pull(service)
      _ = try await service.send(VolumeCreate.self, .init(name: "data"))
    case .fillUsedVolume:
      try await pull(service)
      let mount = Mount(kind: .volume, target: "/deep", source: "data", copiesContent: false)
      _ = try await service.send(
        ContainerCreate.self, .init(image: name, name: "user", command: ["true"], mounts: [mount]))
    }
    try #require(await service.stop() == 0)
    if request == .save { try archive.write("old".utf8) }
    if request == .open {
      // As a loss of power can leave it: names without their content.
      let name = String(repeating: "b", count: 64)
      try await shell(
        """
        echo another > boot-id; touch blobs/sha256/\(name); mkdir -p layers/\(name)/diff containers/\(name)/upper staging/layer-1
        touch ingest/new-1.partial staging/\(name).lock
        for made in blobs/sha256 layers containers staging ingest; do chown -R --reference=$made $made/*\(name)* || :; done
        """)
    }
  }

  private func pull(_ service: TestService) async throws {
    _ = try await service.send(ImagePull.self, .init(reference: name))
  }

  private func create(_ service: TestService, _ mounts: [Mount]? = nil) async throws -> String {
    try await service.send(
      ContainerCreate.self, .init(image: name, name: "made", command: ["true"], mounts: mounts)
    ).container.id
  }

  private var withVolume: [Mount] { [Mount(kind: .volume, target: "/deep", source: "data")] }

  func shell(_ script: String) async throws {
    let done = try await ChildProcess.run(["sh", "-ec", script], workingDirectory: store.store)
    try #require(done.succeeded, "\(done.errorText)")
  }

  // MARK: The request

  /// What a service that is to die at `failpoint` is asked for. Returns when it has answered, which it should not.
  func perform(dyingAt failpoint: String) async throws -> TestService? {
    // A service that dies while it opens its store never answers at all.
    let service = try await store.uninitializedService(failpoint: failpoint)
    do {
      _ = try await service.process.initialize(ProgramInfo(name: "tests"))
      try await perform(service)
      return service
    } catch is RPCError {
      await service.expectDeath()
      return nil
    }
  }

  func perform(_ service: TestService) async throws {
    switch request {
    case .pull, .pullOverStale: try await pull(service)
    case .load: _ = try await service.send(ImageLoad.self, .init(path: archive.string))
    case .importing:
      _ = try await service.send(ImageImport.self, .init(path: archive.string, reference: "new:1"))
    case .commit:
      _ = try await service.send(ContainerCommit.self, .init(container: "made", reference: "new:1"))
    case .save: _ = try await service.send(ImageSave.self, .init(images: [name], path: archive.string))
    case .saveDirectory:
      _ = try await service.send(
        ImageSave.self, .init(images: [name], path: layout.string, format: .directory))
    case .create: _ = try await create(service)
    case .run:
      _ = try await service.send(
        ContainerRun.self, .init(image: name, name: "made", command: ["sleep", "1000"], detach: true))
    case .removeContainer: _ = try await service.send(ContainerRemove.self, .init(container: "made"))
    case .removeImage: _ = try await service.send(ImageRemove.self, .init(image: name))
    case .createVolume: _ = try await service.send(VolumeCreate.self, .init(name: "data"))
    case .createWithVolume, .fillVolume, .fillUsedVolume: _ = try await create(service, withVolume)
    case .importVolume:
      _ = try await service.send(VolumeImport.self, .init(name: "data", path: archive.string))
    case .removeVolume: _ = try await service.send(VolumeRemove.self, .init(volume: "data"))
    case .verifyBlob, .verifyTree: _ = try await service.send(ImageVerify.self, .init())
    case .open: break
    }
  }

  /// The same request once more, or what is left of it to do where the first one had done it all but for its answer.
  func performAgain(_ service: TestService) async throws {
    switch request {
    case .createVolume where try await !volumes(service).isEmpty,
      .importVolume where try await !volumes(service).isEmpty:
      break
    case .removeVolume where try await volumes(service).isEmpty: break
    case .create, .run, .createWithVolume, .fillVolume, .fillUsedVolume:
      // Its name is taken by the first one, or is free.
      if try await containers(service).contains("made") {
        _ = try await service.send(ContainerRemove.self, .init(container: "made", force: true))
      }
      try await perform(service)
    case .removeContainer where try await containers(service).isEmpty: break
    case .removeImage where try await service.send(ImageList.self, .init()).images.isEmpty: break
    case .saveDirectory where FileManager.default.fileExists(atPath: layout.string): break
    case .verifyBlob:
      try await perform(service)
      try await pull(service)
    default: try await perform(service)
    }
  }

  // MARK: After

  func volumes(_ service: TestService) async throws -> [String] {
    try await service.send(VolumeList.self, .init()).volumes.map(\.name)
  }

  /// That a volume which has a row has all that it was to have, or nothing where it was there before.
  func expectWholeVolume(_ service: TestService, isDone: Bool) async throws {
    guard let volume = try await service.send(VolumeList.self, .init()).volumes.first else { return }
    if request == .fillUsedVolume, !isDone {
      // Whoever has it next sees to the rest.
      let copy = store.directory.appending("copy.tar").string
      _ = try await service.send(VolumeExport.self, .init(volume: "data", path: copy))
    }
    let files = try await ChildProcess.run(["find", volume.path, "-type", "f", "-printf", "%P %s\n"])
    let lines = (1...4000).reduce(0) { $0 + "\($1)\n".utf8.count }
    let found = Set(files.text.split(separator: "\n").map(String.init))
    let whole: Set<String> = ["er/lower \(lines)", "er/upper 2", "other 2"]
    switch request {
    case .createWithVolume: #expect(found == whole, "\(files.errorText)")
    case .fillVolume, .fillUsedVolume: #expect(found == whole || found.isEmpty && !isDone, "\(found)")
    case .importVolume: #expect(found == ["deep/er/lower \(lines)", "deep/other 2"])
    default: #expect(found.isEmpty)
    }
  }

  func containers(_ service: TestService) async throws -> [String] {
    try await service.send(ContainerList.self, .init(all: true)).containers.map(\.name)
  }

  /// What the request leaves when it has succeeded.
  func expectOutcome(_ service: TestService) async throws {
    let images = try await service.send(ImageList.self, .init()).images.flatMap(\.references)
    let new = "docker.io/library/new:1"
    switch request {
    case .importing: #expect(images == [new])
    case .commit: #expect(images.sorted() == [name, new].sorted())
    case .removeImage: #expect(images.isEmpty)
    default: #expect(images == [name])
    }
    let hasContainer = [.create, .run, .commit, .createWithVolume, .fillVolume, .fillUsedVolume].contains(
      request)
    let user = request == .fillUsedVolume ? ["user"] : []
    #expect(Set(try await containers(service)) == Set((hasContainer ? ["made"] : []) + user))
    let hasVolume = [.createVolume, .createWithVolume, .importVolume, .fillVolume, .fillUsedVolume].contains(
      request)
    #expect(try await volumes(service) == (hasVolume ? ["data"] : []))
    try await expectWholeVolume(service, isDone: true)
    let verified = try await service.send(ImageVerify.self, .init())
    #expect(verified.problems.isEmpty, "\(verified.problems)")
    // Stored once: whatever the dead one had brought is what is used.
    let (blobs, layers) = (try list("blobs/sha256").count, try list("layers").count)
    switch request {
    case .importing: #expect(layers == 1)
    case .commit: #expect(layers == 3)
    case .removeImage: break
    default: #expect(blobs == 4 && layers == 2)
    }
    switch request {
    case .save, .saveDirectory: try await expectSaved(service)
    case .run:
      let container = try await service.send(ContainerList.self, .init(all: true)).containers
      #expect(container.map(\.state) == [.running])
    default: break
    }
  }

  private func expectSaved(_ service: TestService) async throws {
    let again = store.directory.appending("again.tar")
    _ = try await service.send(ImageSave.self, .init(images: [name], path: again.string))
    let script =
      request == .save
      ? "cmp image.tar again.tar"
      : "mkdir x; tar -C x -xf again.tar; for file in layout/blobs/sha256/*; do cmp $file x/blobs/sha256/${file##*/}; done; cmp layout/index.json x/index.json"
    let compared = try await ChildProcess.run(["sh", "-ec", script], workingDirectory: store.directory)
    #expect(compared.succeeded, "\(compared.text)\(compared.errorText)")
  }

  /// Entries of a directory of the store.
  func list(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: store.store.appending(directory).string)
  }

  /// That what the store's database names is there and whole, and that nothing has a name that it does not deserve.
  func expectWhole() async throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let checked = try await ChildProcess.run([
      "python3", "-I", "-S", root.appending(path: "PowerCut/check-store").path, store.store.string,
    ])
    #expect(checked.succeeded, "\(checked.text)\(checked.errorText)")
  }
}
