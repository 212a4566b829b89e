import Foundation
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

/// What a service says without being asked, besides what other tests wait for anyway.
@Suite("Notifications")
struct NotificationTests {
  private func withService(_ body: @Sendable (TestStore, TestService) async throws -> Void) async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      try await body(store, service)
      #expect(await service.stop() == 0)
    }
  }

  @Test("a request with a token reports its outermost task as LSP's progress, from beginning to end")
  func progress() async throws {
    try await withService { store, service in
      _ = try await service.importBusybox(store)
      let path = store.directory.appending("saved.tar").string
      _ = try await service.send(
        ImageSave.self, .init(images: ["busybox:1"], path: path, workDoneToken: .string("save-1")))
      // All of it comes before the response.
      let values = service.notifications.all.compactMap {
        if case .progress(let progress) = $0 { progress } else { nil }
      }
      #expect(values.allSatisfy { $0.token == .string("save-1") })
      #expect(values.first?.value.kind == .begin && values.last?.value.kind == .end)
      #expect(values.first?.value.title?.isEmpty == false)
      #expect(values.dropFirst().dropLast().allSatisfy { $0.value.kind == .report })
      #expect(values.compactMap(\.value.percentage).allSatisfy { 0...100 ~= $0 })
      let outermost = service.notifications.tasks.filter { $0.parent == nil }
      #expect(outermost.last?.title == values.first?.value.title)
    }
  }

  @Test("each task that starts has its one finish, before the response, whatever comes of it")
  func tasks() async throws {
    try await withService { store, service in
      _ = try await service.importBusybox(store)
      func outcomes() -> [TaskID: [TaskOutcome]] {
        var found = Dictionary(
          uniqueKeysWithValues: service.notifications.tasks.map { ($0.task, [TaskOutcome]()) })
        for case .taskFinished(let task) in service.notifications.all {
          found[task.task, default: []].append(task.outcome)
        }
        return found
      }
      let succeeded = outcomes()
      #expect(!succeeded.isEmpty && succeeded.values.allSatisfy { $0 == [.succeeded] })
      try store.directory.appending("text").write("nothing that tar would read\n".utf8)
      await service.expect(
        .corrupt, of: ImageImport.self,
        .init(path: store.directory.appending("text").string, reference: "new:1"))
      let failed = outcomes().filter { succeeded[$0.key] == nil }
      #expect(!failed.isEmpty && failed.values.allSatisfy { $0 == [.failed] })

      let pipe = service.process.connection.sender()
      let before = outcomes().count
      let loading = Task { try await service.send(ImageLoad.self, .init(stream: pipe.id)) }
      await service.notifications.wait { all in
        all.count { if case .taskStarted = $0 { true } else { false } } > before
      }
      loading.cancel()
      let error = await #expect(throws: RPCError.self) { try await loading.value }
      #expect(error?.code == ErrorCode.requestCancelled)
      let cancelled = outcomes().filter { succeeded[$0.key] == nil && failed[$0.key] == nil }
      #expect(!cancelled.isEmpty && cancelled.values.allSatisfy { $0 == [.cancelled] })
      var ended: Set<TaskID> = []
      for notification in service.notifications.all {
        switch notification {
        case .taskFinished(let task): ended.insert(task.task)
        case .taskProgressed(let task): #expect(!ended.contains(task.task), "progress behind the finish")
        default: break
        }
      }
      // What is a part is a part of one that has started.
      let tasks = service.notifications.tasks
      #expect(tasks.compactMap(\.parent).allSatisfy { parent in tasks.contains { $0.task == parent } })
    }
  }

  @Test("of each task progress comes ten times a second and no more")
  func progressRate() async throws {
    try await withService { store, service in
      let archive = try await store.busyboxArchive("head -c 8000000 /dev/urandom > noise")
      _ = try await service.send(ImageImport.self, .init(path: archive.string, reference: "noise:1"))
      // Some hundred pieces, each of which is progress.
      let path = store.directory.appending("saved.tar").string
      _ = try await service.send(ImageSave.self, .init(images: ["noise:1"], path: path))
      var reports: [TaskID: Int] = [:]
      var checked = 0
      for notification in service.notifications.all {
        switch notification {
        case .taskProgressed(let task): reports[task.task, default: 0] += 1
        case .taskFinished(let task):
          guard let count = reports[task.task] else { continue }
          // Besides the tenths of its time: the first, what was held until its end, and one while that was told.
          #expect(count <= task.durationMs / 100 + 3, "\(count) in \(task.durationMs) ms")
          checked += 1
        default: break
        }
      }
      #expect(checked > 0)
    }
  }

  @Test("no event comes behind the answer that a subscription has ended")
  func unsubscribed() async throws {
    try await withService { store, service in
      let first = try await service.send(EventSubscribe.self, .init(kinds: ["volume."])).subscription
      let other = try await service.send(EventSubscribe.self, .init(kinds: ["volume."])).subscription
      _ = try await service.send(VolumeCreate.self, .init(name: "a"))
      _ = await service.notifications.event("volume.created", subject: "a")
      _ = try await service.send(EventUnsubscribe.self, .init(subscription: first))
      _ = try await service.send(VolumeCreate.self, .init(name: "b"))
      await service.notifications.wait { all in
        all.contains {
          if case .eventOccurred(let event) = $0 {
            event.subscription == other && event.subject == "b"
          } else {
            false
          }
        }
      }
      #expect(!service.notifications.events.contains { $0.subscription == first && $0.subject == "b" })
    }
  }

  @Test(
    "with a trace on, each request is told when it comes and when it is answered; a verbose one has its text")
  func trace() async throws {
    try await withService { _, service in
      func told() -> [LogTraceNotification] {
        service.notifications.all.compactMap { if case .logTrace(let trace) = $0 { trace } else { nil } }
      }
      _ = try await service.send(SystemPing.self, .init())
      #expect(told().isEmpty)
      service.process.connection.notifyService(SetTraceNotification(value: .messages))
      _ = try await service.send(SystemPing.self, .init())
      await service.notifications.wait { all in
        all.count { if case .logTrace = $0 { true } else { false } } >= 2
      }
      #expect(told()[0].message.hasPrefix("received request system/ping"))
      #expect(told()[1].message.hasPrefix("answered system/ping"))
      #expect(told().allSatisfy { $0.verbose == nil })
      service.process.connection.notifyService(SetTraceNotification(value: .verbose))
      _ = try await service.send(ImageList.self, .init())
      await service.notifications.wait { all in
        all.contains {
          if case .logTrace(let trace) = $0 {
            trace.verbose?.contains(#""image/list""#) == true
          } else {
            false
          }
        }
      }
      service.process.connection.notifyService(SetTraceNotification(value: .off))
    }
  }

  @Test("a client that sends more of a stream than was granted is told so")
  func excess() async throws {
    try await withService { store, service in
      _ = try await service.importBusybox(store)
      let connection = service.process.connection
      let input = connection.sender()
      let running = Task {
        try await service.send(
          ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], stdin: input.id))
      }
      await service.notifications.wait { all in
        all.contains { if case .containerRunning = $0 { true } else { false } }
      }
      // A sleeper takes nothing, so what was granted once is all.
      for seq in 0..<5 {
        connection.notifyService(
          StreamDataNotification(
            stream: input.id, seq: seq, data: String(repeating: "x", count: 1 << 20), encoding: .utf8))
      }
      await service.notifications.wait { all in
        all.contains { if case .windowLogMessage(let message) = $0 { message.type == 1 } else { false } }
      }
      running.cancel()
      await #expect(throws: RPCError.self) { try await running.value }
    }
  }

  @Test("a subscription after a cursor that the journal does not reach begins with a gap")
  func gap() async throws {
    try await withService { _, service in
      let answer = try await service.send(EventSubscribe.self, .init(after: "1-4000000", kinds: ["image."]))
      let event = await service.notifications.event("event.gap")
      #expect(event?.subscription == answer.subscription)
      _ = try await service.send(EventUnsubscribe.self, .init(subscription: answer.subscription))
    }
  }

  @Test("a subscription that cannot go on says why, and another one can begin")
  func ended() async throws {
    try await withService { store, service in
      let answer = try await service.send(EventSubscribe.self, .init())
      let bell = store.store.appending("journal").string
      let removed = try await ChildProcess.run(["rm", "-r", bell])
      #expect(removed.succeeded, "\(removed.errorText)")
      await service.notifications.wait { all in
        all.contains { if case .eventEnded = $0 { true } else { false } }
      }
      let ended = service.notifications.all.compactMap {
        if case .eventEnded(let ended) = $0 { ended } else { nil }
      }
      #expect(ended.map(\.subscription) == [answer.subscription])
      #expect(ended.first?.error.retriable == true && ended.first?.error.message?.isEmpty == false)
    }
  }
}
