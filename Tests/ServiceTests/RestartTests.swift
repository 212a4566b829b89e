import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("A store after a start of the machine")
struct RestartTests {
  @Test(
    "a container whose row has survived a loss of power, and whose files have not, goes, and an event says so",
    arguments: [
      "rm -r upper", "rm -r work", "rm config.json", ": > config.json", "rm hosts", ": > hostname",
      "rm resolv.conf",
    ])
  func halfContainer(damage: String) async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let first = try await store.service()
      _ = try await first.importBusybox(store)
      var ids: [String] = []
      for name in ["half", "whole"] {
        let made = try await first.send(
          ContainerCreate.self, .init(image: "busybox:1", name: name, command: ["true"]))
        ids.append(made.container.id)
      }
      let end = try await first.send(SystemInfo.self, .init()).cursor
      #expect(await first.stop() == 0)
      let damaged = try await ChildProcess.run(
        ["sh", "-ec", damage], workingDirectory: store.store.appending("containers/\(ids[0])"))
      #expect(damaged.succeeded, "\(damaged.errorText)")
      // As the first service after another start finds it.
      try store.store.appending("boot-id").write("another".utf8)

      let second = try await store.service()
      let listed = try await second.send(ContainerList.self, .init(all: true)).containers
      #expect(listed.map(\.name) == ["whole"])
      _ = try await second.send(EventSubscribe.self, .init(after: end))
      let event = await second.notifications.event("container.removed")
      #expect(event?.subject == ids[0])
      let left = try await ChildProcess.run(["ls", store.store.appending("containers").string])
      #expect(left.text == ids[1] + "\n")
      _ = try await second.send(ContainerStart.self, .init(container: "whole"))
      #expect(try await second.send(ContainerWait.self, .init(container: "whole")).exit?.code == 0)
      #expect(await second.stop() == 0)
    }
  }
}
