import Foundation
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// Debian's buildah builds the same Dockerfiles: trees and configurations agree.
///
/// Where they are known to differ, and why:
/// - times, which Coracle sets to one;
/// - labels `io.buildah.version`, which are buildah's;
/// - ranges of EXPOSE, which BuildKit and Coracle take apart;
/// - directories of VOLUMEs, which buildah makes in the image;
/// - `WorkingDir`, which buildah says is `/` where nobody said anything;
/// - `Hostname`, `Domainname`, `Image` and `ArgsEscaped`, which buildah takes over from Docker's older images, and which say nothing of an image;
/// - modes of symbolic links, which Linux has none of, and each writes as it likes;
/// - the root itself, `/proc`, `/sys`, `/dev`, `/run`, and the files `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`: both engines mount on
///   them while a RUN runs, and buildah leaves in the image what it made for that.
@Suite("Builds beside buildah")
struct BuildahTests {
  static let files: [(name: String, text: String)] = [
    (
      "stages",
      """
      ARG BASE=localhost/busybox:1
      FROM ${BASE} AS build
      ARG VERSION=1
      ENV GREETING="hello there" V=${VERSION:-none} W=${UNSET:-fallback}
      WORKDIR /src
      COPY src ./
      RUN echo "$GREETING $V $W" > greeting && cat one two > both && chmod 750 both && mkdir -p deep/er && ln -s ../both deep/link
      FROM localhost/busybox:1
      COPY --from=build /src/both /src/greeting /app/
      COPY --from=build --chown=user:user /src/deep /deep
      WORKDIR /app/new
      RUN rm /etc/group && echo x > ../x
      CMD ["cat", "/app/both"]
      """
    ),
    (
      "settings",
      """
      FROM localhost/busybox:1
      LABEL a=b "c d"="e f" g='h i'
      ENV A=1 B="two words" C='$A' D=$A.$A
      ENV OLD form of it
      EXPOSE 80 53/udp
      VOLUME /data /more
      USER user
      STOPSIGNAL SIGINT
      ENTRYPOINT ["echo", "-n"]
      CMD first second
      HEALTHCHECK --interval=30s --timeout=5s --retries=2 CMD test -e /x
      ONBUILD RUN true
      """
    ),
    (
      "copies",
      """
      FROM localhost/busybox:1
      COPY src/one /a
      COPY src/one /b/
      COPY src/one src/two /c/
      COPY src /d
      COPY src/ /e/f/
      COPY src/t* /g/
      COPY src/link /h
      COPY --chmod=0711 src/one /i
      COPY --chown=1000:50 src /j
      ADD src.tar /k/
      ADD src.tar.gz /l
      COPY src.tar /m/
      COPY . /n/
      SHELL ["/bin/sh", "-e", "-c"]
      RUN touch /o
      """
    ),
  ]

  @Test("trees and configurations agree", .requires(.root), arguments: files.map(\.name))
  func agrees(name: String) async throws {
    let text = try #require(Self.files.first { $0.name == name }?.text)
    try await withTestStore(.root) { store in
      let service = try await store.service()
      _ = try await service.send(
        ImageImport.self,
        .init(
          path: try await store.busyboxArchive("ln -s busybox bin/chmod").string,
          reference: "localhost/busybox:1"))
      try await script(
        store,
        """
        mkdir -p context/src/sub; cd context; echo one > src/one; echo two > src/two; echo deep > src/sub/three
        ln -s one src/link; chmod 755 src/two; mkdir src/empty; tar -cf src.tar src; tar -czf src.tar.gz src
        printf '*.log\\n**/ignored\\n!keep.log\\n' > .dockerignore; touch a.log keep.log src/ignored
        """)
      let context = store.directory.appending("context")
      try context.appending("Dockerfile").write(text.utf8)
      _ = try await service.send(
        BuildStart.self, .init(context: context.string, references: ["localhost/ours:1"]))
      let made = try await service.send(
        ContainerCreate.self, .init(image: "localhost/ours:1", command: ["true"]))
      _ = try await service.send(
        ContainerExport.self, .init(container: made.container.id, path: "\(store.directory)/ours.tar"))
      _ = try await service.send(
        ImageSave.self,
        .init(images: ["localhost/busybox:1", "localhost/ours:1"], path: "\(store.directory)/images.tar"))
      let found = try await script(
        store,
        """
        cat > containers.conf <<END
        [containers]
        default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
        [engine]
        runtime = "runc"
        cgroup_manager = "cgroupfs"
        END
        export CONTAINERS_CONF=$PWD/containers.conf TMPDIR=$PWD BUILDAH_ISOLATION=chroot
        buildah() { command buildah --root $PWD/b --runroot $PWD/br --storage-driver vfs "$@"; }
        skopeo copy -q docker-archive:images.tar:localhost/busybox:1 docker-archive:base.tar:localhost/busybox:1
        buildah pull -q docker-archive:base.tar >&2
        buildah bud -q --pull-never --format docker -t localhost/theirs:1 context >&2
        container=$(buildah from --pull-never localhost/theirs:1)
        tar -C $(buildah mount $container) --numeric-owner -cf theirs.tar .
        buildah push -q localhost/theirs:1 docker-archive:theirs-image.tar:localhost/theirs:1 >&2
        skopeo inspect --config --raw docker-archive:theirs-image.tar:localhost/theirs:1 > theirs.json
        skopeo inspect --config --raw docker-archive:images.tar:localhost/ours:1 > ours.json
        python3 - <<'END'
        import hashlib, json, tarfile
        def tree(name):
          lines = {}
          with tarfile.open(name) as tar:
            for entry in tar:
              path = entry.name.strip("./")
              content = hashlib.sha256(tar.extractfile(entry).read()).hexdigest() if entry.isfile() else entry.linkname
              if entry.islnk(): content = hashlib.sha256(tar.extractfile(entry).read()).hexdigest()
              kind = "f" if entry.islnk() else entry.type.decode()
              mode = "" if entry.issym() else oct(entry.mode)
              lines[path] = f"{kind if kind != '0' else 'f'} {mode} {entry.uid}:{entry.gid} {content}"
          return lines
        ours, theirs = tree("ours.tar"), tree("theirs.tar")
        # What either engine mounts on, and the root itself.
        for path in ("", "proc", "sys", "dev", "run", "etc/hosts", "etc/hostname", "etc/resolv.conf", "data", "more"):
          ours.pop(path, None); theirs.pop(path, None)
        for path in sorted(set(ours) | set(theirs)):
          if ours.get(path) != theirs.get(path): print("tree", path, ours.get(path), theirs.get(path))
        def config(name):
          found = json.load(open(name)).get("config") or {}
          found = {key: value for key, value in found.items() if value}
          found.get("Labels", {}).pop("io.buildah.version", None)
          for key in ("Hostname", "Domainname", "Image", "ArgsEscaped"): found.pop(key, None)
          if found.get("WorkingDir") == "/": found.pop("WorkingDir")
          if not found.get("Labels"): found.pop("Labels", None)
          found["Env"] = sorted(found.get("Env", []))
          return found
        ours, theirs = config("ours.json"), config("theirs.json")
        for key in sorted(set(ours) | set(theirs)):
          if ours.get(key) != theirs.get(key): print("config", key, ours.get(key), theirs.get(key))
        END
        """)
      #expect(found == "")
      _ = try await service.send(ContainerRemove.self, .init(container: made.container.id))
      #expect(await service.stop() == 0)
    }
  }

  @discardableResult
  private func script(_ store: TestStore, _ text: String) async throws -> String {
    let result = try await ChildProcess.run(["sh", "-ec", text], workingDirectory: store.directory)
    guard result.succeeded else { throw TestFailure("\(result.errorText)\(result.text)") }
    return result.text
  }
}
