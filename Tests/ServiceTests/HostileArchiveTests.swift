import LinuxSystem
import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Hostile archives of images")
struct HostileArchiveTests {
  /// Writes one archive of the corpus: a Docker archive or a layout of one busybox layer, with one thing wrong.
  private static let maker = #"""
    import hashlib, io, json, sys, tarfile
    kind, layer_path, target = sys.argv[1:4]
    layer = open(layer_path, "rb").read()
    sha = lambda data: hashlib.sha256(data).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
      "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(layer)]}}).encode()
    item = {"Config": "c.json", "RepoTags": ["bad:1"], "Layers": ["l/layer.tar"]}
    listed, files, links, extra = [item], {"c.json": config, "l/layer.tar": layer}, {}, []
    raw = None
    if kind == "good": pass
    elif kind == "good-link": files["d.tar"] = files.pop("l/layer.tar"); links["l/layer.tar"] = "../d.tar"
    elif kind == "good-compressed":
      import gzip; files["l/layer.tar"] = gzip.compress(layer)
    elif kind == "config-outside": item["Config"] = "../../../../etc/passwd"
    elif kind == "id-outside":
      item["Layers"] = ["../../x/layer.tar"]; files["../../x/layer.tar"] = files.pop("l/layer.tar")
      files["../../x/json"] = b'{"id": "../../x"}'; files["../../x/VERSION"] = b"1.0"
      files["repositories"] = b'{"../../x": {"../../y": "../../x"}}'
    elif kind == "tag-outside": item["RepoTags"] = ["../../x:1"]
    elif kind == "config-absolute": item["Config"] = "/etc/passwd"
    elif kind == "layer-outside": item["Layers"] = ["../../../../etc/passwd"]
    elif kind == "entry-outside": files["../../sentinel"] = b"x"
    elif kind == "link-outside": del files["l/layer.tar"]; links["l/layer.tar"] = "../../../../../etc/passwd"
    elif kind == "link-absolute": del files["l/layer.tar"]; links["l/layer.tar"] = "/etc/passwd"
    elif kind == "link-circle": del files["l/layer.tar"]; links["l/layer.tar"] = "other"; links["l/other"] = "layer.tar"
    elif kind == "list-object": raw = b'{"Config": "c.json"}'
    elif kind == "list-null": raw = b"null"
    elif kind == "list-empty": raw = b"[]"
    elif kind == "list-text": raw = b"<html>"
    elif kind == "list-numbers": item["Config"] = 5
    elif kind == "list-tags-text": item["RepoTags"] = "bad:1"
    elif kind == "list-layers-object": item["Layers"] = {"0": "l/layer.tar"}
    elif kind == "list-bad-name": item["RepoTags"] = ["UPPER//CASE"]
    elif kind == "list-big": raw = b"[" + b" " * (100 << 20) + b"]"
    elif kind == "list-twice": extra.append(("manifest.json", json.dumps(listed).encode()))
    elif kind == "layer-twice": extra.append(("l/layer.tar", layer + b"\0" * 512))
    elif kind == "layer-missing": del files["l/layer.tar"]
    elif kind == "layer-more": item["Layers"].append("l/layer.tar")
    elif kind == "layer-changed": files["l/layer.tar"] = layer[:600] + b"X" + layer[601:]
    elif kind == "layer-text": files["l/layer.tar"] = b"this is no archive" * 100
    elif kind == "config-missing": del files["c.json"]
    elif kind == "config-types": files["c.json"] = b'{"architecture": 5, "os": [], "rootfs": "x"}'
    elif kind == "config-digests": files["c.json"] = b'{"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": ["../../x"]}}'
    elif kind == "config-big": files["c.json"] = b" " * (8 << 20)
    elif kind == "list-device": listed = None
    elif kind.startswith("sparse"): del files["l/layer.tar"]
    if kind.startswith("oci-"):
      import gzip
      blob = gzip.compress(layer, mtime=0)
      manifest = {"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": "sha256:" + sha(config), "size": len(config)}, "layers": [{
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + sha(blob), "size": len(blob)}]}
      if kind == "oci-size": manifest["layers"][0]["size"] += 1
      if kind == "oci-digest-form": manifest["layers"][0]["digest"] = "sha256:../../x"
      if kind == "oci-negative": manifest["layers"][0]["size"] = -1
      if kind == "oci-both": manifest["manifests"] = []
      document = json.dumps(manifest).encode()
      blobs = {config: sha(config), blob: sha(blob), document: sha(document)}
      top = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + sha(document), "size": len(document)}
      if kind == "oci-depth":
        for _ in range(10):
          index = json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()
          blobs[index] = sha(index)
          top = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + sha(index), "size": len(index)}
      if kind == "oci-layer-missing": del blobs[blob]
      if kind == "oci-blob-changed": blobs = {(b"x" + data if data == blob else data): name for data, name in blobs.items()}
      if kind == "oci-blob-name": blobs[b"x"] = "not-a-digest"
      files = {"blobs/sha256/" + name: data for data, name in blobs.items()}
      listed, links = None, {}
      raw_index = json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()
      if kind == "oci-index-types": raw_index = b'{"schemaVersion": "2", "manifests": {}}'
      if kind == "oci-index-big": raw_index = b" " * (100 << 20)
      files["index.json"] = raw_index
    with tarfile.open(target, "w") as tar:
      def add(name, data):
        info = tarfile.TarInfo(name); info.size = len(data); tar.addfile(info, io.BytesIO(data))
      for name, data in list(files.items()) + extra: add(name, data)
      for name, to in links.items():
        info = tarfile.TarInfo(name); info.type = tarfile.SYMTYPE; info.linkname = to; tar.addfile(info)
      if kind.startswith("sparse"):
        # A map of no data in a terabyte of holes.
        info = tarfile.TarInfo("sparse"); data = b"1\n0\n0\n".ljust(512, b"\0"); info.size = len(data)
        name = "blobs/sha256/" + "a" * 64 if kind == "sparse-blob" else "l/layer.tar"
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name,
          "GNU.sparse.realsize": str(1 << 40)}
        tar.addfile(info, io.BytesIO(data))
      if kind == "list-device":
        info = tarfile.TarInfo("manifest.json"); info.type = tarfile.CHRTYPE; info.devmajor = 1; info.devminor = 5; tar.addfile(info)
      if listed is not None: add("manifest.json", raw if raw is not None else json.dumps(listed).encode())
    data = open(target, "rb").read()
    if kind == "truncated": open(target, "wb").write(data[:len(data) // 2])
    if kind == "empty": open(target, "wb").write(b"")
    if kind == "text": open(target, "wb").write(b"this is no archive at all\n" * 1000)
    if kind == "gzip-truncated":
      import gzip; packed = gzip.compress(data); open(target, "wb").write(packed[:len(packed) // 2])
    """#

  private static let mismatches: Set = ["layer-changed", "oci-blob-changed"]
  private static let bad = [
    "config-outside", "config-absolute", "id-outside", "tag-outside", "layer-outside", "entry-outside",
    "link-outside", "link-absolute",
    "link-circle", "list-object", "list-null", "list-empty", "list-text", "list-numbers", "list-tags-text",
    "list-layers-object", "list-bad-name", "list-big", "list-twice", "list-device", "layer-twice",
    "layer-missing", "layer-more", "layer-changed", "layer-text", "config-missing", "config-types",
    "config-digests", "config-big", "oci-size", "oci-digest-form", "oci-negative", "oci-both", "oci-depth",
    "oci-layer-missing", "oci-blob-changed", "oci-blob-name", "oci-index-types", "oci-index-big", "truncated",
    "empty", "text", "gzip-truncated", "sparse-layer", "sparse-blob",
  ]

  @Test(
    "CVE-2014-9358, CVE-2021-41190: each is refused with its kind, leaves nothing in the store or outside, and the service lives on"
  )
  func corpus() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      let layer = try await store.busyboxArchive()
      let target = store.directory.appending("archive")
      for kind in Self.bad {
        let made = try await ChildProcess.run([
          "python3", "-c", Self.maker, kind, layer.string, target.string,
        ])
        #expect(made.succeeded, "\(kind): \(made.errorText)")
        let error = await #expect(throws: RPCError.self, "\(kind)") {
          try await service.send(ImageLoad.self, .init(path: target.string))
        }
        let expected: [ErrorKind] =
          kind == "layer-text"
          ? [.digestMismatch] : Self.mismatches.contains(kind) ? [.digestMismatch] : [.corrupt]
        #expect(expected.contains(error?.data?.kind ?? .internal), "\(kind): \(error?.message ?? "")")
        #expect(error?.message.isEmpty == false)
        let images = try await service.send(ImageList.self, .init()).images
        #expect(images.isEmpty, "\(kind)")
        try await expectEmpty(store)
      }
      let left = try await ChildProcess.run(["ls", "-A", store.directory.string])
      #expect(left.text.split(separator: "\n").sorted() == ["archive", "busybox.tar", "run", "store"])
      for kind in ["good", "good-link", "good-compressed", "oci-good"] {
        let made = try await ChildProcess.run([
          "python3", "-c", Self.maker, kind, layer.string, target.string,
        ])
        #expect(made.succeeded, "\(kind): \(made.errorText)")
        let name = kind.hasPrefix("oci") ? "named:1" : nil
        let loaded = try await service.send(ImageLoad.self, .init(path: target.string, reference: name))
        let run = try await service.run(name ?? "bad:1", ["echo", kind])
        #expect(run.stdout == "\(kind)\n" && loaded.images.count == 1)
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test("a layout whose files are links or FIFOs is read no further than its directory")
  func layoutDirectory() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      let layout = store.directory.appending("layout")
      for make in [
        "ln -s /etc/passwd $1/index.json", "mkfifo $1/index.json", "mkdir $1/index.json",
        #"echo '{"schemaVersion":2,"manifests":[{"mediaType":"","digest":"sha256:\#(String(repeating: "a", count: 64))","size":5}]}' > $1/index.json; ln -s / $1/blobs"#,
        ":",
      ] {
        let script = "rm -rf $1; mkdir $1; \(make)"
        let made = try await ChildProcess.run(["sh", "-c", script, "sh", layout.string])
        #expect(made.succeeded)
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ImageLoad.self, .init(path: layout.string))
        }
        #expect(error?.data?.kind == .corrupt || error?.data?.kind == .invalidArgument, "\(make)")
        try await expectEmpty(store)
      }
      let error = await #expect(throws: RPCError.self) {
        try await service.send(ImageLoad.self, .init(path: "\(layout)/none"))
      }
      #expect(error?.data?.kind == .notFound)
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2023-25153: documents of 1 GiB in an archive or a layout are refused without being read into memory",
    arguments: Account.available)
  func hugeDocuments(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      // Holes: they take neither time nor disk to make.
      let maker = #"""
        import hashlib, json, os, sys, tarfile
        kind, name, target = sys.argv[1:4]
        size = 1 << 30
        if kind == "archive":
          info = tarfile.TarInfo(name); info.size = size
          with open(target, "wb") as file:
            file.write(info.tobuf()); file.truncate(512 + size + 1024)
        else:
          os.makedirs(target + "/blobs/sha256", exist_ok=True)
          hasher = hashlib.sha256()
          for _ in range(size >> 20): hasher.update(bytes(1 << 20))
          digest = hasher.hexdigest()
          if name == "blob":
            open(target + "/index.json", "w").write(json.dumps({"schemaVersion": 2, "manifests": [
              {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + digest, "size": size}]}))
            name = "blobs/sha256/" + digest
          with open(target + "/" + name, "wb") as file: file.truncate(size)
        """#
      let before = try ProcessMemory.peak(service.process.pid)
      for (kind, name) in [
        ("archive", "manifest.json"), ("archive", "index.json"), ("archive", "oci-layout"),
        ("archive", "repositories"), ("layout", "index.json"), ("layout", "oci-layout"), ("layout", "blob"),
      ] {
        let target = store.directory.appending("\(kind)-\(name)")
        let made = try await ChildProcess.run(["python3", "-c", maker, kind, name, target.string])
        #expect(made.succeeded, "\(made.errorText)")
        let error = await #expect(throws: RPCError.self, "\(kind) \(name)") {
          try await service.send(ImageLoad.self, .init(path: target.string))
        }
        #expect(error?.data?.kind == .corrupt, "\(kind) \(name): \(error?.message ?? "")")
        try await expectEmpty(store)
        try removeTree(target)
      }
      let grown = try ProcessMemory.peak(service.process.pid) - before
      #expect(grown < 24 << 20, "\(grown >> 20) MiB")
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2014-9357: what an image calls a decompressor or an archiver is never run",
    arguments: Account.available)
  func helpers(account: Account) async throws {
    try await withBuildContext(account) { context in
      let programs =
        "xz unxz xzcat lzma gzip gunzip zcat pigz unpigz bzip2 bunzip2 zstd unzstd tar bsdtar git cp"
      let formats = [("gz", "gzip"), ("xz", "xz"), ("bz2", "bzip2"), ("zst", "zstd -q")]
      try await context.script(
        """
        cd context; mkdir -p trap/usr/bin trap/usr/local/bin
        printf '#!/bin/sh\\necho ran > /ran\\necho ran > ran\\n' > trap/usr/bin/xz; chmod 755 trap/usr/bin/xz
        for name in \(programs); do
          cp trap/usr/bin/xz trap/usr/local/bin/$name; cp trap/usr/bin/xz trap/usr/bin/$name 2> /dev/null || true
        done
        echo inside > inside
        \(formats.map { "tar -cf - inside | \($0.1) -c > a.tar.\($0.0)" }.joined(separator: "; "))
        """)
      let additions = formats.map { "ADD a.tar.\($0.0) /\($0.0)/" }.joined(separator: "\n")
      let file = """
        FROM busybox:1 AS trap
        COPY trap/usr /usr
        ENV PATH=/usr/local/bin:/usr/bin:/bin
        FROM trap
        \(additions)
        RUN test ! -e /ran && test ! -e ran && cat /*/inside
        """
      let output = FoundDigest()
      let built = try await context.build(file, references: ["trap:1"], output: output)
      #expect(output.text.split(separator: "\n").count == formats.count, "\(output.text)")
      // Saved and loaded, its layers are unpacked by another way.
      let archive = context.path("trap.tar")
      _ = try await context.service.send(ImageSave.self, .init(images: ["trap:1"], path: archive))
      _ = try await context.service.send(ImageRemove.self, .init(image: "trap:1"))
      _ = try await context.service.send(ImageLoad.self, .init(path: archive))
      _ = try await context.service.send(
        ContainerCreate.self, .init(image: built.image.digest, name: "c", command: ["true"]))
      for (name, _) in formats {
        let sender = context.service.process.connection.sender()
        let bytes = try context.store.directory.appending("context/a.tar.\(name)").readAll()
        let feeding = Task {
          _ = try? await sender.send(bytes)
          await sender.close()
        }
        _ = try? await context.service.send(
          ContainerCopyTo.self, .init(container: "c", target: "/tmp", stream: sender.id))
        feeding.cancel()
      }
      let changed = try await context.service.send(ContainerDiff.self, .init(container: "c")).changes
      #expect(!changed.contains { $0.path.hasSuffix("ran") }, "\(changed)")
      let found = try await ChildProcess.run(["find", context.store.directory.string, "-name", "ran"])
      #expect(found.text.isEmpty, "\(found.text)")
    }
  }
}
