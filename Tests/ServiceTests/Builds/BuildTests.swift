import Foundation
import OCIModel
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

@Suite("Builds")
struct BuildTests {
  @Test(
    "stages, arguments, copies, heredocs and all that an image says of itself", arguments: Account.available)
  func whole(account: Account) async throws {
    try await withBuildContext(account) { context in
      let built = try await context.build(
        """
        ARG BASE=busybox:1
        FROM ${BASE} AS build
        ARG VERSION=1
        ENV V=$VERSION PLACE=/app
        WORKDIR $PLACE/work
        COPY src/ in/
        RUN cat in/a in/b > /result && echo "$V $VERSION" >> /result
        RUN <<EOF
        set -e
        echo here $V >> /result
        EOF

        FROM busybox:1 AS unused
        RUN false

        FROM busybox:1
        COPY --from=build --chown=user --chmod=640 /result /srv/
        COPY <<-TEXT /srv/text
        	$UNSET-text
        TEXT
        LABEL a.b="c d"
        USER user
        EXPOSE 80 53/udp
        VOLUME /data
        STOPSIGNAL SIGINT
        HEALTHCHECK --interval=1m --start-interval=2s --retries=4 CMD ["true"]
        ONBUILD COPY x /
        ENTRYPOINT ["cat"]
        CMD ["/srv/result"]
        """, references: ["app:1", "app:2"]
      ) { $0.arguments = ["VERSION": "7"] }
      #expect(built.image.references == ["docker.io/library/app:1", "docker.io/library/app:2"])
      // The stage that nobody needs is not there.
      #expect(!built.steps.contains { $0.instruction == "RUN false" })
      let service = context.service
      let output = try await service.run("app:1", []) { $0.command = nil }
      #expect(output.stdout == "one\ntwo\n7 7\nhere 7\n")
      let seen = try await service.run("app:1", []) {
        $0.entrypoint = ["stat"]
        $0.command = ["-c", "%u:%g %a %Y", "/srv/result", "/srv/text", "/srv"]
      }
      #expect(seen.stdout == "1000:1000 640 315532800\n0:0 644 315532800\n1000:1000 755 315532800\n")
      let config = try await service.send(ImageInspect.self, .init(image: "app:1")).config
      #expect(config.entrypoint == ["cat"] && config.command == ["/srv/result"] && config.user == "user")
      #expect(config.exposedPorts == ["53/udp", "80/tcp"] && config.volumes == ["/data"])
      #expect(config.labels == ["a.b": "c d"] && config.stopSignal == "SIGINT")
      #expect(config.healthCheck?.test == ["CMD", "true"] && config.healthCheck?.retries == 4)
      #expect(config.onBuild == ["COPY x /"])
      let history = try await service.send(ImageHistory.self, .init(image: "app:1")).entries
      #expect(history.first?.createdBy == #"CMD ["/srv/result"]"#)
      #expect(built.steps.allSatisfy { !$0.cached || $0.ordinal == 0 })
    }
  }

  @Test(
    "a second build takes all from the cache; after a change, nothing after it, and it says why",
    arguments: Account.available)
  func cache(account: Account) async throws {
    try await withBuildContext(account) { context in
      let file = """
        FROM busybox:1
        ARG WHO=me
        RUN echo $WHO > /who
        COPY src /src
        RUN ls /src > /list
        """
      let first = try await context.build(file)
      #expect(first.steps.map(\.cached) == [true, false, false, false, false])
      let again = try await context.build(file)
      #expect(again.areAllCached)
      #expect(again.image.digest == first.image.digest)
      // Another service shares it, and times count for nothing.
      try await context.script("touch -d 2001-01-01 context/src/a")
      let other = try await context.store.service()
      let elsewhere = BuildContext(store: context.store, service: other)
      let found1 = try await elsewhere.build(file).areAllCached
      #expect(found1)
      #expect(await other.stop() == 0)

      try await context.script(
        "echo three > context/src/b; chmod 700 context/src/a; echo new > context/src/c")
      let explained = try await context.explain(file)
      #expect(explained.map(\.cached) == [true, true, true, false, false])
      #expect(
        explained[3].reasons == ["src/a was 644 and is 700", "src/b has other content", "src/c is new"])
      #expect(explained[4].reasons == ["an instruction before it is not cached"])
      for step in explained[2...3] {
        #expect(step.lastDurationMs != nil && step.lastRunAt != nil && (step.lastLayerSize ?? 0) > 0)
      }
      // What is told before is what happens.
      let changed = try await context.build(file)
      #expect(changed.steps.map(\.cached) == explained.map(\.cached))
      #expect(changed.steps[3].reasons == explained[3].reasons)

      let argument = try await context.explain(file) { $0.arguments = ["WHO": "you"] }
      #expect(argument[1].reasons == ["argument WHO was 'me' and is 'you'"])
      let reworded = try await context.explain(file.replacing("ls /src", with: "ls -l /src"))
      #expect(reworded[4].reasons == ["the instruction was RUN ls /src > /list"])
    }
  }

  @Test(
    "the same inputs give the same image in another store, and SOURCE_DATE_EPOCH is its time",
    arguments: Account.available)
  func reproducible(account: Account) async throws {
    let file = """
      FROM busybox:1
      WORKDIR /w
      COPY . .
      RUN mkdir d && echo x > d/f && ln d/f d/g && rm /etc/group
      """
    // The image below is imported anew each time, and says so in its history: only layers are compared then.
    try await withBuildContext(account) { context in
      let first = try await context.layers(file)
      let second = try await context.layers(file) { $0.noCache = true }
      #expect(first == second)
      try await withTestStore(account) { store in
        let service = try await store.service()
        _ = try await service.importBusybox(
          store, "ln -s busybox bin/stat; ln -s busybox bin/find; ln -s busybox bin/seq")
        let other = BuildContext(store: store, service: service)
        try await other.script("mkdir -p context/src; echo two > context/src/b; echo one > context/src/a")
        let elsewhere = try await other.layers(file)
        #expect(Array(elsewhere.dropFirst()) == Array(first.dropFirst()))
        #expect(await service.stop() == 0)
      }
      let built = try await context.build(file, references: ["e:1"]) {
        $0.arguments = ["SOURCE_DATE_EPOCH": "1000000000"]
      }
      #expect(built.image.createdAt?.hasPrefix("2001-09-09T01:46:40") == true)
      let seen = try await context.service.run("e:1", ["stat", "-c", "%Y", "/w/d/f", "/w/src/a"])
      #expect(seen.stdout == "1000000000\n1000000000\n")
    }
  }

  @Test(
    "cancelled, a RUN is gone at once, and what was finished is in the cache", arguments: Account.available)
  func cancel(account: Account) async throws {
    try await withBuildContext(account) { context in
      let service = context.service
      let file = "FROM busybox:1\nRUN echo done > /done\nRUN echo sleeping; sleep 100000"
      let out = service.process.connection.receiver(credit: 1 << 20)
      var params = context.params(file)
      params.output = out.id
      let building = Task { [params] in try await service.send(BuildStart.self, params) }
      for await chunk in out.chunks where String(decoding: chunk, as: UTF8.self).contains("sleeping") {
        break
      }
      building.cancel()
      let error = await #expect(throws: RPCError.self) { _ = try await building.value }
      #expect(error?.data?.kind == .cancelled)
      let explained = try await context.explain(file)
      #expect(explained.map(\.cached) == [true, true, false])
    }
  }
}
