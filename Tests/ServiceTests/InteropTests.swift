import RPCModel
import SystemPackage
import TestSupport
import Testing

/// What Coracle saves and pushes, others load and run; what they save and push, Coracle loads and runs.
@Suite("Interop with skopeo, umoci, crun, podman and buildah")
struct InteropTests {
  private static let name = "docker.io/library/demo:2"

  /// Runs `body` with a service that has `demo:2`: two layers, the second with a file and a whiteout.
  private func withDemo(
    _ account: Account, _ body: @Sendable (TestStore, TestService, _ digest: String) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let made = try await service.run(["sh", "-c", "echo new > /file; rm /etc/group"])
      let image = try await service.send(
        ContainerCommit.self, .init(container: made.container.id, reference: "demo:2")
      ).image
      try await body(store, service, image.digest)
      #expect(await service.stop() == 0)
    }
  }

  /// Runs a script as the tests' own user, with the store's directory as its own, and gives its output.
  @discardableResult
  private func script(_ store: TestStore, _ text: String, _ arguments: [String] = []) async throws -> String {
    let result = try await ChildProcess.run(
      ["sh", "-ec", text, "sh"] + arguments, workingDirectory: store.directory)
    guard result.succeeded else { throw TestFailure("\(text): \(result.errorText)\(result.text)") }
    return result.text.split(separator: "\n").joined(separator: "\n")
  }

  private func load(_ store: TestStore, _ service: TestService, _ file: String, as name: String? = nil)
    async throws -> LoadedImage
  {
    // Files that other programs have made as root are the store's user's to read.
    try await script(store, "chmod -R a+rX \"$1\"", [file])
    let path = store.directory.appending(file).string
    let loaded = try await service.send(ImageLoad.self, .init(path: path, reference: name)).images
    return try #require(loaded.first)
  }

  @Test("skopeo: every form of archive, both ways; digests agree", arguments: Account.available)
  func skopeo(account: Account) async throws {
    try await withDemo(account) { store, service, digest in
      let directory = store.directory
      _ = try await service.send(
        ImageSave.self, .init(images: ["demo:2", "busybox:1"], path: "\(directory)/both.tar"))
      _ = try await service.send(
        ImageSave.self, .init(images: ["demo:2"], path: "\(directory)/layout", format: .directory))
      for source in ["oci-archive:both.tar:\(Self.name)", "oci:layout:\(Self.name)", "oci:layout"] {
        let seen = try await script(store, "skopeo inspect --format '{{.Digest}}' \"$1\"", [source])
        #expect(seen == digest, "\(source)")
      }
      let config = try await service.send(ImageInspect.self, .init(image: "demo:2")).configDigest
      // As Docker's load sees it: without the manifest, by its configuration.
      let bytes = try await script(
        store,
        "skopeo inspect --config --raw docker-archive:both.tar:\(Self.name) | sha256sum | cut -d' ' -f1")
      #expect("sha256:\(bytes)" == config)

      try await script(
        store,
        """
        skopeo copy -q oci:layout docker-archive:docker.tar:demo:docker
        skopeo copy -q docker-archive:both.tar:\(Self.name) oci:copied:one
        skopeo copy -q oci:layout oci-archive:oci.tar:demo:oci
        """)
      // The container that made the image holds the first store's; another one takes these in from nothing.
      try await withTestStore(account) { other in
        let fresh = try await other.service()
        try await script(other, "cp -r \"$1\"/*.tar \"$1\"/copied .", [directory.string])
        for (file, name) in [("docker.tar", nil), ("oci.tar", nil), ("copied", "copied:1")] {
          let loaded = try await load(other, fresh, file, as: name)
          let details = try await fresh.send(ImageInspect.self, .init(image: loaded.image.digest))
          if file == "copied" {
            // skopeo makes another configuration of a Docker archive's.
            let seen = try await script(other, "skopeo inspect --format '{{.Digest}}' oci:copied:one")
            #expect(loaded.image.digest == seen)
          } else {
            // A Docker archive has no manifest, but its layers are compressed to the same bytes again.
            #expect(loaded.image.digest == digest && details.configDigest == config, "\(file)")
          }
          let output = try await fresh.run(loaded.references[0], ["sh", "-c", "cat /file; ls /etc"]).stdout
          #expect(output.hasPrefix("new\n") && output.contains("passwd") && !output.contains("group"))
        }
        #expect(await fresh.stop() == 0)
      }
    }
  }

  @Test("umoci unpacks what Coracle saves and crun runs it; Coracle runs what umoci makes", .requires(.mount))
  func umoci() async throws {
    try await withDemo(.root) { store, service, digest in
      _ = try await service.send(
        ImageSave.self, .init(images: ["demo:2"], path: "\(store.directory)/layout", format: .directory))
      let unpacked = try await script(
        store,
        "umoci unpack --image layout:\(Self.name) bundle >&2; ls bundle/rootfs/etc; ls bundle | grep mtree")
      #expect(!unpacked.contains("group") && unpacked.contains(digest.replacing(":", with: "_")))
      // crun takes a machine with both versions of cgroups for none: it gets a view of the second alone.
      let output = try await script(
        store,
        """
        python3 - <<'END'
        import json
        config = json.load(open("bundle/config.json"))
        config["process"].update(terminal=False, args=["cat", "/file"])
        config["process"].pop("rlimits", None)
        for name in ("resources", "cgroupsPath"): config["linux"].pop(name, None)
        json.dump(config, open("bundle/config.json", "w"))
        END
        unshare -m sh -ec '
          mount -t tmpfs tmpfs /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
          exec crun --root "$PWD/crun" --cgroup-manager=disabled run --bundle bundle "coracle-test-$$"'
        """)
      #expect(output == "new")
      try await script(
        store,
        """
        mkdir root; tar -C root -xf busybox.tar; echo made > root/made
        umoci init --layout made; umoci new --image made:one; umoci insert --image made:one root /
        umoci config --image made:one --config.cmd=cat --config.cmd=/made
        """)
      let loaded = try await load(store, service, "made", as: "umoci:1")
      let stat = try await script(store, "skopeo inspect --format '{{.Digest}}' oci:made:one")
      #expect(loaded.image.digest == stat && loaded.references == ["docker.io/library/umoci:1"])
      let run = try await service.run("umoci:1", []) { $0.command = nil }
      #expect(run.stdout == "made\n")
    }
  }

  @Test(
    "podman loads and runs what Coracle saves and pushes; Coracle runs what podman and buildah save",
    .requires(.root))
  func podman() async throws {
    try await withDemo(.root) { store, service, digest in
      try await withDockerRegistry { registry in
        let directory = store.directory
        _ = try await service.send(
          ImageSave.self, .init(images: ["demo:2", "busybox:1"], path: "\(directory)/both.tar"))
        let pushed = try await service.send(
          ImagePush.self, .init(image: "demo:2", destination: "\(registry.host)/demo/pushed:1"))
        #expect(pushed.digest == digest)
        // runc takes the cgroups of this machine as they are; podman's own limits may be beyond what root here may set.
        try directory.appending("containers.conf").write(
          """
          [containers]
          default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
          [engine]
          runtime = "runc"
          cgroup_manager = "cgroupfs"
          events_logger = "file"
          tmp_dir = "\(directory)/l"

          """.utf8)
        let tools = """
          export CONTAINERS_CONF=$PWD/containers.conf TMPDIR=$PWD
          podman() { command podman --root $PWD/p --runroot $PWD/r --storage-driver vfs "$@"; }
          buildah() { command buildah --root $PWD/b --runroot $PWD/br --storage-driver vfs "$@"; }

          """
        let ran = try await script(
          store,
          tools + """
            podman load -q -i both.tar >&2
            podman run --rm --network none \(Self.name) cat /file
            podman run --rm --network none docker.io/library/busybox:1 echo loaded
            podman pull -q --tls-verify=false "$1/demo/pushed:1" >&2
            podman run --rm --network none "$1/demo/pushed:1" cat /file
            skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$1/demo/pushed:1"
            """, [registry.host])
        #expect(ran == "new\nloaded\nnew\n\(digest)")
        try await script(
          store,
          tools + """
            podman save -q -m -o podman-docker.tar \(Self.name) docker.io/library/busybox:1
            podman save -q --format oci-archive -o podman-oci.tar \(Self.name)
            container=$(buildah from scratch)
            mounted=$(buildah mount $container)
            tar -C $mounted -xf busybox.tar; echo built > $mounted/built
            buildah umount $container >&2
            buildah config --cmd '["cat","/built"]' $container
            buildah commit -q $container built:1 >&2
            buildah push -q built:1 oci-archive:buildah-oci.tar:localhost/built:oci
            buildah push -q built:1 docker-archive:buildah-docker.tar:localhost/built:docker
            buildah push -q --tls-verify=false built:1 docker://$1/demo/built:1
            skopeo copy -q --dest-tls-verify=false docker-archive:podman-docker.tar:\(Self.name) docker://$1/demo/copied:1
            """, [registry.host])
        try await withTestStore(.root) { other in
          let fresh = try await other.service()
          try await script(other, "cp \"$1\"/*.tar .", [directory.string])
          for file in ["podman-docker.tar", "podman-oci.tar"] {
            _ = try await load(other, fresh, file)
            #expect(try await fresh.run(Self.name, ["cat", "/file"]).stdout == "new\n")
          }
          _ = try await load(other, fresh, "buildah-oci.tar")
          _ = try await load(other, fresh, "buildah-docker.tar")
          _ = try await fresh.send(ImagePull.self, .init(reference: "\(registry.host)/demo/built:1"))
          for name in ["localhost/built:oci", "localhost/built:docker", "\(registry.host)/demo/built:1"] {
            #expect(try await fresh.run(name, []) { $0.command = nil }.stdout == "built\n")
          }
          let name = "\(registry.host)/demo/copied:1"
          let pulled = try await fresh.send(ImagePull.self, .init(reference: name)).image.digest
          let seen = try await script(
            other, "skopeo inspect --tls-verify=false --format '{{.Digest}}' \"docker://$1\"", [name])
          #expect(pulled == seen)
          #expect(try await fresh.run(name, ["cat", "/file"]).stdout == "new\n")
          #expect(await fresh.stop() == 0)
        }
      }
    }
  }
}
