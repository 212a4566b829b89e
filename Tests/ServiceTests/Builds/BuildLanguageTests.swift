import Foundation
import Glibc
import OCIModel
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

/// What of the Dockerfile language reaches beyond the context.
@Suite("Builds: git, agents, entitlements, caches and links")
struct BuildLanguageTests {
  private static let repository = """
    git init -q -b main repo; cd repo; git config user.name n; git config user.email e@example.invalid
    mkdir sub; echo first > a; echo below > sub/f; chmod 755 sub/f; git add .; git commit -q -m 1; git tag -a v1 -m v1
    echo second > a; git commit -qa -m 2; cd ..; rm -rf repo.git; git clone -q --bare repo repo.git
    cd repo.git; git update-server-info; git rev-parse HEAD > ../head; git rev-parse v1^{} > ../v1
    chmod -R a+rX .
    """

  @Test(
    "ADD takes branches, tags, commits and directories of git repositories, and the commit decides about the cache",
    arguments: Account.available)
  func git(account: Account) async throws {
    try await withFaultyServer { server in
      try await withBuildContext(account) { context in
        try await context.script(Self.repository)
        try await context.serveRepository(on: server)
        let directory = context.store.directory
        func read(_ name: String) throws -> String {
          try String(contentsOf: URL(filePath: directory.appending(name).string), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let (head, tagged) = (try read("head"), try read("v1"))
        let url = "http://\(server.host)/repo.git"
        let file = """
          FROM busybox:1
          ADD \(url) /head
          ADD \(url)#v1 /tag
          ADD --chown=1000 \(url)#main:sub /sub
          ADD --keep-git-dir=true --checksum=\(tagged) \(url)#v1 /whole
          ADD \(url)?tag=v1&subdir=sub /query
          ADD \(url)#\(tagged.prefix(9)) /short
          """
        let built = try await context.build(file, references: ["g:1"])
        #expect(built.steps.count == 7)
        let seen = try await context.service.run(
          "g:1",
          [
            "sh", "-c",
            "cat /head/a /tag/a /sub/f /whole/a /query/f /short/a; ls -A /head /query; stat -c '%u %a %Y' /sub/f; test -d /whole/.git",
          ])
        #expect(
          seen.stdout
            == "second\nfirst\nbelow\nfirst\nbelow\nfirst\n/head:\na\nsub\n\n/query:\nf\n1000 755 315532800\n",
          "\(seen.stderr)")
        #expect(seen.exit.code == 0)
        let again = try await context.build(file)
        #expect(again.areAllCached)

        // The branch has another commit now, and tags have not.
        try await context.script(
          "cd repo; echo third > a; git commit -qa -m 3; git push -q ../repo.git main; cd ../repo.git; git update-server-info; chmod -R a+rX ."
        )
        try await context.serveRepository(on: server)
        let changed = try await context.build("FROM busybox:1\nADD \(url)#v1 /tag\nADD \(url) /head")
        #expect(changed.steps.map(\.cached) == [true, false, false])
        let tag = try await context.build("FROM busybox:1\nADD \(url)#v1 /tag\nADD \(url)#\(head) /head")
        #expect(tag.steps.map(\.cached) == [true, true, false])

        for (source, kind, message) in [
          ("\(url)#nope", ErrorKind.notFound, "has no nope"),
          ("--checksum=\(head) \(url)#v1", .digestMismatch, "is at"),
          ("\(url)?depth=1", .invalidArgument, "a git address has no depth"),
          ("\(url)#main:../x", .invalidArgument, "outside of the repository"),
          ("http://\(server.host)/other.git", .unreachable, "git ls-remote failed"),
        ] {
          let error = await #expect(throws: RPCError.self) {
            _ = try await context.build("FROM busybox:1\nADD \(source) /")
          }
          #expect(error?.data?.kind == kind, "\(source): \(error?.message ?? "")")
          #expect(error?.message.contains(message) == true, "\(source): \(error?.message ?? "")")
        }
      }
    }
  }

  /// Runs `body` with the socket of an SSH agent of the account's that has one key.
  private func withAgent(_ context: BuildContext, _ body: (String) async throws -> Void) async throws {
    let socket = context.path("agent")
    let started = try await context.output(
      """
      ssh-agent -a \(socket) > agent.sh; . ./agent.sh > /dev/null; echo $SSH_AGENT_PID
      ssh-keygen -q -t ed25519 -N '' -C 'key of the test' -f key; ssh-add -q key
      """)
    let agent = try #require(Int32(started.trimmingCharacters(in: .whitespacesAndNewlines)))
    defer { kill(agent, SIGTERM) }
    try await body(socket)
  }

  @Test(
    "an SSH agent answers the RUN that asks for it, and whoever it is said to be for, and no other",
    arguments: Account.available)
  func agent(account: Account) async throws {
    try await withBuildContext(account) { context in
      // The program with its libraries, as it is on this machine.
      try await context.script(
        """
        mkdir context/root; cd context/root
        for file in /usr/bin/ssh-add $(ldd /usr/bin/ssh-add | grep -o '/[^ ]*'); do
          mkdir -p .$(dirname $file); cp -L $file .$file
        done
        """)
      try await withAgent(context) { socket in
        let output = FoundDigest()
        _ = try await context.build(
          """
          FROM busybox:1
          COPY root /
          RUN --mount=type=ssh ssh-add -l
          RUN --mount=type=ssh,id=other,target=/a,required test -S /a && echo "$SSH_AUTH_SOCK" && ssh-add -l > /dev/null
          RUN --mount=type=ssh,id=none test -z "$SSH_AUTH_SOCK"
          RUN test -z "$SSH_AUTH_SOCK" && test ! -e /run/buildkit/ssh_agent.0
          USER 1000
          RUN --mount=type=ssh,uid=1000 ssh-add -l; stat -c '%u %a' "$SSH_AUTH_SOCK"
          RUN --mount=type=ssh ! ssh-add -l 2> /dev/null
          RUN --mount=type=ssh,mode=666 ssh-add -l > /dev/null; stat -c '%u %a' "$SSH_AUTH_SOCK"
          """, output: output
        ) { $0.ssh = [BuildAgent(id: "default", path: socket), BuildAgent(id: "other", path: socket)] }
        let lines = output.text.split(separator: "\n")
        #expect(lines.count == 5, "\(output.text)")
        #expect(lines.first?.hasSuffix("key of the test (ED25519)") == true)
        #expect(lines.dropFirst().first == "#4 /a")
        #expect(lines.dropFirst(2).first?.hasSuffix("key of the test (ED25519)") == true)
        #expect(lines.suffix(2) == ["#8 1000 600", "#10 0 666"])
      }
    }
  }

  @Test("RUN --security=insecure has what the build is allowed to give", arguments: Account.available)
  func insecure(account: Account) async throws {
    try await withBuildContext(account) { context in
      let mounts = "busybox mount -t tmpfs none /tmp && touch /tmp/x"
      _ = try await context.build("FROM busybox:1\nRUN ! (\(mounts))\nRUN --security=insecure \(mounts)") {
        $0.allow = ["security.insecure"]
      }
      let error = await #expect(throws: RPCError.self) {
        _ = try await context.build("FROM busybox:1") { $0.allow = ["security.everything"] }
      }
      #expect(error?.data?.kind == .invalidArgument)
      // The host's network for one RUN, where none is what the others have.
      let output = FoundDigest()
      _ = try await context.build(
        "FROM busybox:1\nRUN --network=host busybox readlink /proc/self/ns/net\nRUN busybox readlink /proc/self/ns/net",
        output: output
      ) { $0.allow = ["network.host"] }
      let spaces = output.text.split(separator: "\n").map { $0.split(separator: " ").last ?? "" }
      #expect(spaces.count == 2 && spaces[0] != spaces[1])
    }
  }

  @Test(
    "a cache may begin with the files of a stage, and is another one where those are others",
    arguments: Account.available)
  func seededCache(account: Account) async throws {
    try await withBuildContext(account) { context in
      func lines(_ seed: String, _ command: String) async throws -> String {
        let output = FoundDigest()
        _ = try await context.build(
          """
          FROM busybox:1 AS seed
          RUN mkdir /seed && echo \(seed) > /seed/f
          FROM busybox:1
          RUN --mount=type=cache,from=seed,source=/seed,target=/c echo \(command) >> /c/f; cat /c/f
          """, output: output)
        return output.text
      }
      let first = try await lines("one", "a")
      #expect(first == "#4 one\n#4 a\n")
      let again = try await lines("one", "b")
      #expect(again == "#4 one\n#4 a\n#4 b\n")
      let other = try await lines("two", "c")
      #expect(other == "#4 two\n#4 c\n")
    }
  }

  @Test(
    "what is copied with --link comes from the cache also on top of another image",
    arguments: Account.available)
  func link(account: Account) async throws {
    try await withBuildContext(account) { context in
      func file(_ below: String) -> String {
        "FROM busybox:1\nRUN \(below)\nWORKDIR /w\nCOPY --link --chown=user src in/\nRUN cat in/a"
      }
      let first = try await context.build(file("echo 1 > /x"))
      let second = try await context.build(file("echo 2 > /x"), references: ["l:1"])
      #expect(second.steps.map(\.cached) == [true, false, false, true, false])
      #expect(first.steps[3].layer != nil && first.steps[3].layer == second.steps[3].layer)
      let seen = try await context.service.run("l:1", ["sh", "-c", "cat /x in/b; stat -c %u in/a"])
      #expect(seen.stdout == "2\ntwo\n1000\n")
      // Without, what is below counts.
      let plain = try await context.build(file("echo 3 > /x").replacing("--link ", with: ""))
      #expect(plain.steps[3].cached == false)
      // The name means another number there.
      let other = try await context.build(
        file("sed -i s/1000:1000/1001:1001/ /etc/passwd || busybox sed -i s/1000:1000/1001:1001/ /etc/passwd")
      )
      #expect(other.steps[3].cached == false)
      let again = try await context.build(file("echo 2 > /x"))
      #expect(again.areAllCached)
    }
  }

  @Test("arguments that BuildKit's builder understands, this one does as well", arguments: Account.available)
  func builderArguments(account: Account) async throws {
    try await withBuildContext(account) { context in
      let file = """
        FROM busybox:1 as one
        RUN --mount=type=cache,target=/c echo x >> /c/f; busybox wc -l < /c/f; busybox hostname
        """
      func lines(_ arguments: [String: String]) async throws -> (text: String, rules: [String]) {
        let output = FoundDigest()
        let built = try await context.build(file, output: output) {
          $0.arguments = arguments
          $0.noCache = true
        }
        return (output.text, built.warnings?.map(\.rule) ?? [])
      }
      let plain = try await lines([:])
      #expect(plain.text == "#2 1\n#2 build\n" && plain.rules == ["FromAsCasing"])
      let named = try await lines(["BUILDKIT_SANDBOX_HOSTNAME": "ship", "BUILDKIT_CACHE_MOUNT_NS": "other"])
      #expect(named.text == "#2 1\n#2 ship\n")
      let checked = try await lines(["BUILDKIT_DOCKERFILE_CHECK": "skip=FromAsCasing"])
      #expect(checked.text == "#2 2\n#2 build\n" && checked.rules.isEmpty)
      let error = try await context.failure(file) {
        $0.arguments = ["BUILDKIT_DOCKERFILE_CHECK": "error=true"]
      }
      #expect(error.data?.kind == .invalidArgument && error.message.contains("FromAsCasing"))

      // What is undefined is known only when the image is.
      let late = try await context.failure(
        "# check=error=true\nFROM busybox:1\nRUN echo 1 > /one\nENV A=$PAHT"
      ) {
        $0.references = ["late:1"]
        $0.outputs = [.init(type: .oci, path: context.path("late"), directory: true)]
      }
      #expect(late.data?.kind == .invalidArgument)
      #expect(late.message.hasPrefix("Dockerfile:4:1: UndefinedVar: "), "\(late.message)")
      let names = try await context.images().names
      #expect(names == ["docker.io/library/busybox:1"])
      try await context.script("test ! -e late")
    }
  }

  @Test(
    "modifiers, heredocs, flags and the ignore file of a Dockerfile's own do in a build what they say",
    arguments: Account.available)
  func whole(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        """
        cd context; mkdir -p go/deep vendor; touch go/a.go go/b.md go/deep/c.go vendor/v extra
        printf '*\\n!go\\n!vendor\\n' > Build.file.dockerignore; printf 'go\\n' > .dockerignore
        cat > Build.file << 'END'
        # syntax=docker/dockerfile:1
        # check=skip=JSONArgsRecommended;error=false
        ARG VERSION=v1.2.3
        FROM busybox:1 AS base
        ARG VERSION
        ARG NAME="a/b/c.tar.gz"
        ENV PLAIN=${UNSET:-default} SET=${VERSION:+yes} NOT=${UNSET:+no} \\
            SHORT=${VERSION#v} LONG=${NAME##*/} STEM=${NAME%.*} FIRST=${NAME%%/*} ONE=${NAME/\\//-} ALL=${NAME//\\//-}
        RUN <<end cat > /vars
        $PLAIN $SET $NOT $SHORT $LONG $STEM $FIRST $ONE $ALL
        end
        RUN --network=none --security=sandbox echo ran > /ran
        COPY --exclude=*.md --exclude=deep go /no-md/
        COPY --parents go/./deep/*.go vendor /parents/
        COPY <<one <<"two" /here/
        $PLAIN
        one
        $PLAIN
        two
        RUN <<end
        #!/bin/sh
        echo script > /script
        end
        HEALTHCHECK --interval=1m30s --timeout=3s --start-period=5s --start-interval=2s --retries=2 CMD cat /vars
        CMD cat /vars
        FROM base
        RUN cat /vars /here/one /here/two /ran /script; cd /; find no-md parents -type f | sort
        END
        """)
      let output = FoundDigest()
      let built = try await context.build("", references: ["lang:1"], output: output) {
        $0.dockerfile = nil
        $0.file = "Build.file"
      }
      let lines = output.text.split(separator: "\n").map { $0.drop { $0 != " " }.dropFirst() }
      #expect(
        lines == [
          "default yes  1.2.3 c.tar.gz a/b/c.tar a a-b/c.tar.gz a-b-c.tar.gz", "default", "$PLAIN", "ran",
          "script", "no-md/a.go", "parents/deep/c.go", "parents/vendor/v",
        ], "\(output.text)")
      #expect(built.warnings?.map(\.rule) == ["UndefinedVar"])
      let config = try await context.service.send(ImageInspect.self, .init(image: "lang:1")).config
      #expect(config.healthCheck?.startIntervalMs == 2000 && config.healthCheck?.startPeriodMs == 5000)
      #expect(config.healthCheck?.intervalMs == 90_000 && config.healthCheck?.timeoutMs == 3000)
    }
  }

  @Test("with another escape, a backslash is one", arguments: Account.available)
  func escape(account: Account) async throws {
    try await withBuildContext(account) { context in
      let output = FoundDigest()
      _ = try await context.build(
        "# escape=`\nFROM busybox:1\nENV A=c:\\dir `\n  B=`$x\nRUN echo \"$A\" `\n  \"$B\"", output: output)
      #expect(output.text == "#3 c:\\dir $x\n")
    }
  }
}
