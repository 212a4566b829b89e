import RPCModel
import TestSupport
import Testing

@Suite("What a refused request says that one can do")
struct HintTests {
  /// Sends a request that is to fail, for which there is a way out.
  private func hint<Request: RPCRequest>(
    _ service: TestService, _ kind: ErrorKind, _ type: Request.Type, _ params: Request.Params, _ said: String,
    _ location: SourceLocation = #_sourceLocation
  ) async {
    await service.expect(kind, of: type, params, hasHint: true, saying: said, location)
  }

  @Test("each has a hint")
  func hints() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { store, service in
      let size = RPCModel.TerminalSize(rows: 24, columns: 80)
      await hint(service, .invalidArgument, ContainerResize.self, .init(size: size), "terminal")
      await hint(
        service, .notFound, ContainerResize.self, .init(request: .string("none"), size: size), "no request")
      await hint(service, .notFound, ContainerDetach.self, .init(request: .string("none")), "no request")
      await hint(
        service, .invalidArgument, ImageSave.self, .init(images: ["busybox:1"], format: .directory), "a path")
      await hint(service, .invalidArgument, ImageLoad.self, .init(), "a stream")
      for path in ["/nonexistent", "/nonexistent/deep"] {
        await hint(service, .notFound, ImageLoad.self, .init(path: path), "cannot read \(path)")
        await hint(service, .notFound, VolumeImport.self, .init(name: "v", path: path), "cannot read \(path)")
        await hint(
          service, .notFound, BuildExplain.self, .init(context: path), "cannot open the context \(path)")
      }
      await hint(
        service, .invalidArgument, BuildExplain.self,
        .init(context: "/", contextStream: "in"), "one context")
      for (secret, said) in [
        (BuildSecret(id: "s"), "either"), (BuildSecret(id: "s", base64: "?"), "base64"),
      ] {
        await hint(
          service, .invalidArgument, BuildExplain.self, .init(context: "/", secrets: [secret]), said)
      }
      await hint(service, .notFound, ContainerInspect.self, .init(container: "nosuch"), "ps -a")
      await hint(service, .notFound, EventUnsubscribe.self, .init(subscription: "none"), "no subscription")
      _ = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "c", command: ["true"]))
      await hint(service, .conflict, ContainerStats.self, .init(containers: ["c"]), "does not run")
      for condition in [WaitKind.portOpen, .logMatch] {
        await hint(
          service, .invalidArgument, ContainerWait.self,
          .init(container: "c", until: .init(condition: condition)), "to wait for")
      }
      for (command, kind) in [("nosuch", ErrorKind.notFound), ("/etc", .permissionDenied)] {
        await hint(
          service, kind, ContainerRun.self, .init(image: "busybox:1", command: [command]),
          "command \(command)")
      }
      let place = store.directory.appending("none/x").string
      await hint(
        service, .notFound, ContainerCopyFrom.self,
        .init(container: "c", source: "/bin/busybox", path: place),
        "on the service's machine")
      await hint(
        service, .notFound, ContainerCopyTo.self, .init(container: "c", target: "/", path: place),
        "on the service's machine")
      await hint(
        service, .notFound, ContainerCopyTo.self,
        .init(container: "c", target: "/no/x", path: "/etc/hostname"),
        "in the container")
    }
  }
}
