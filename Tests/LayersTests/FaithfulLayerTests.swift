import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import SystemPackage
import TestSupport
import Testing

@testable import Layers

/// The archive of a whole tree.
private func archive(_ upper: FilePath) async throws -> [UInt8] {
  try await onBlockingThread("diff") {
    var bytes: [UInt8] = []
    try LayerDiff.write(upper: upper, lowers: [], overlayXattrs: .trusted) { bytes += $0 }
    return bytes
  }
}

/// Runs a shell script with the positional parameters `arguments`.
private func shell(_ script: String, _ arguments: FilePath...) async throws {
  let result = try await ChildProcess.run(["sh", "-euc", script, "sh"] + arguments.map(\.string))
  try #require(result.succeeded, "\(result.errorText)")
}

/// A tree that has something of everything.
private let everything = """
  cd "$1"
  umask 022
  mkdir -p dir/sub sticky shared; chmod 1777 sticky; chmod 2775 shared; chown 7:8 shared
  printf text > dir/file; chmod 6755 dir/file; ln dir/file dir/again
  touch -d '2001-02-03 04:05:06.123456789Z' dir/file
  printf cap > ping; setcap cap_net_raw+ep ping
  printf x > attrs; setfattr -n user.text -v value attrs; setfattr -n user.empty attrs
  setfattr -n user.binary -v 0x00ff0a3d00 attrs
  setfattr -n trusted.name -v here dir/sub
  long=$(printf 'n%.0s' $(seq 200)); mkdir -p $long/$long; printf long > $long/$long/$long
  ln -s $long/$long/$long link-to-long; ln $long/$long/$long hard-link-to-long
  printf latin > "$(printf 'caf\\351')"; printf newline > "$(printf 'new\\nline')"
  chown 1000000:4000000 attrs
  mkfifo -m 640 pipe; mknod -m 600 null c 1 3; mknod block b 7 300
  touch -d @-2 before-1970; touch -d @9999999999.000000001 after-2106
  ln -s nowhere dangling; chown -h 5:6 dangling; touch -h -d @12.000000345 dangling
  find . -depth -type d -exec touch -d '2010-01-01 00:00:00.987654321Z' {} +
  """

/// All that is to stay the same, one line an entry.
private let listing = """
  cd "$1"
  find . -mindepth 1 -printf '%P %y %m %U %G %s %n %T@ %l\\n' | grep -v '^[^ ]* d' | sort
  find . -mindepth 1 -type d -printf '%P %y %m %U %G %T@\\n' | sort
  getfattr -h -R -d -m - -e hex . | sort
  find . -type f -exec sha256sum {} + | sort
  stat -c '%n %t:%T' null block
  """

private func list(_ tree: FilePath) async throws -> String {
  let result = try await ChildProcess.run(["sh", "-euc", listing, "sh", tree.string])
  try #require(result.succeeded, "\(result.errorText)")
  return result.text
}

@discardableResult
private func expectSame(
  _ one: FilePath, _ other: FilePath, _ location: SourceLocation = #_sourceLocation
) async throws -> String {
  let (before, after) = (try await list(one), try await list(other))
  let lines = (Set(before.split(separator: "\n")), Set(after.split(separator: "\n")))
  let (lost, new) = (lines.0.subtracting(lines.1).sorted(), lines.1.subtracting(lines.0).sorted())
  #expect(lost.isEmpty && new.isEmpty, "\(lost) became \(new)", sourceLocation: location)
  return before
}

@Suite("Layers keep all that files have", .requires(.root))
struct FaithfulLayerTests {
  @Test("tree to archive to tree: nothing is lost, and the same tree gives the same bytes")
  func roundTrip() async throws {
    try await withTarget { target, _ in
      let tree = target.removingLastComponent().appending("tree")
      try makeDirectories(tree, mode: 0o755)
      try await shell(everything, tree)
      let bytes = try await archive(tree)
      let layer = try await unpack(bytes, into: target)
      #expect(layer.warnings == [] && layer.dependencies == nil)
      let before = try await expectSame(tree, target)
      #expect(try layer.bytesOnDisk == diskUsage(of: target))
      #expect(before.contains("security.capability") && before.contains("user.binary=0x00ff0a3d00"))
      // The copy was made in another order, and at another time.
      let again = Digest(of: try await archive(target))
      #expect(again == Digest(of: bytes))
    }
  }

  @Test("a packed tree is what unpacking its archive gives, and what it takes up is known")
  func packed() async throws {
    try await withTarget { target, _ in
      let directory = target.removingLastComponent()
      let (upper, lower) = (directory.appending("upper"), directory.appending("lower"))
      for tree in [upper, lower] { try makeDirectories(tree, mode: 0o755) }
      try await shell(everything, upper)
      // What overlayfs leaves, what no archive has, and what is only there to be mounted on.
      try await shell(
        """
        cd "$1"; setfattr -n trusted.overlay.origin -v x dir; setfattr -n trusted.overlay.origin -v x attrs
        setfattr -n trusted.overlay.opaque -v y sticky; mknod -m 0 gone c 0 0
        setfattr -n trusted.overlay.impure -v y .; chmod 700 .
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
        mkdir -p point/deep kept; touch point/deep/file
        mkdir "$2"/kept; chmod 755 point kept "$2"/kept; touch kept/mounted
        """, upper, lower)
      let time = FileTime(seconds: 315_532_800)
      let points: Set<String> = ["/point", "/point/deep", "/point/deep/file", "/kept", "/kept/mounted"]
      let (packed, bytes) = try await onBlockingThread("pack") {
        var bytes: [UInt8] = []
        let packed = try LayerDiff.pack(
          upper: upper, lowers: [lower], overlayXattrs: .trusted, mountPoints: points, time: time
        ) { bytes += $0 }
        return (packed, bytes)
      }
      #expect(packed.leftOut == ["left out socket: it is a socket or of an unknown kind"])
      let layer = try await unpack(bytes, into: target)
      #expect(try packed.bytesOnDisk == diskUsage(of: upper))
      let same = try TreeComparison { false }.difference(of: upper, from: target)
      #expect(same == nil)
      // Whose time is nobody's.
      for tree in [upper, target] { try removeFile(tree.appending("gone")) }
      try await shell("touch -d @315532800 \"$1\" \"$2\"", upper, target)
      let listed = try await expectSame(upper, target)
      #expect(!listed.contains("point") && !listed.contains("kept") && !listed.contains("overlay.origin"))
      #expect(listed.contains("trusted.overlay.opaque"))
      #expect(layer.dependencies == nil)
    }
  }

  @Test(
    "what GNU tar and bsdtar write arrives whole",
    arguments: [
      "tar --format=gnu --sparse", "tar --format=posix --sparse --xattrs --xattrs-include=*",
      "bsdtar --format=pax",
      "bsdtar --format=gnutar",
    ])
  func otherWriters(program: String) async throws {
    try await withTarget { target, _ in
      let tree = target.removingLastComponent().appending("tree")
      try makeDirectories(tree, mode: 0o755)
      try await shell(everything, tree)
      let packed = try await ChildProcess.run(
        ["sh", "-euc", "set -f; cd \"$1\"; exec \(program) -cf - .", "sh", tree.string])
      try await unpack(packed.stdout, into: target)
      if program.contains("pax") || program.contains("posix") {
        try await expectSame(tree, target)
      } else {
        // Without nanoseconds and attributes.
        let names = "cd \"$1\"; find . -mindepth 1 -printf '%P %y %m %U %G %n %l\\n' | sort"
        let before = try await ChildProcess.run(["sh", "-c", names, "sh", tree.string]).stdout
        let after = try await ChildProcess.run(["sh", "-c", names, "sh", target.string]).stdout
        #expect(String(decoding: after, as: UTF8.self) == String(decoding: before, as: UTF8.self))
      }
    }
  }

  @Test(
    "what is written here arrives whole with GNU tar and bsdtar",
    arguments: ["tar --xattrs --xattrs-include=*", "bsdtar"])
  func otherReaders(program: String) async throws {
    try await withTarget { target, _ in
      let directory = target.removingLastComponent()
      let tree = directory.appending("tree")
      try makeDirectories(tree, mode: 0o755)
      try await shell(everything, tree)
      let bytes = try await archive(tree)
      try directory.appending("layer.tar").write(bytes)
      try await shell(
        "set -f; \(program) --numeric-owner -xpf \"$1\" -C \"$2\"", directory.appending("layer.tar"), target)
      try await expectSame(tree, target)
    }
  }

  @Test("sparse files stay sparse, in the archive and unpacked, whichever way a tar says so")
  func sparse() async throws {
    try await withTarget { target, _ in
      let directory = target.removingLastComponent()
      let tree = directory.appending("tree")
      try makeDirectories(tree, mode: 0o755)
      try await shell(
        """
        cd "$1"; truncate -s 8T empty; truncate -s 64M middle
        printf data | dd of=middle bs=1M seek=30 conv=notrunc status=none
        printf start > tail; truncate -s 64M tail; truncate -s 64M end; printf end >> end
        """, tree)
      let bytes = try await archive(tree)
      #expect(bytes.count < 1 << 20)
      #expect(try await unpack(bytes, into: target).bytesOnDisk == diskUsage(of: target))
      try await expectSparse(target)
      let again = Digest(of: try await archive(target))
      #expect(again == Digest(of: bytes))
      for format in [
        "gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0",
      ] {
        let packed = try await ChildProcess.run(
          ["sh", "-euc", "cd \"$1\"; exec tar --format=\(format) --sparse -cf - .", "sh", tree.string])
        let copy = directory.appending("copy")
        try makeDirectories(copy, mode: 0o755)
        try await unpack(packed.stdout, into: copy)
        try await expectSparse(copy)
        try removeTree(copy)
      }
      // Others read what is written here.
      try directory.appending("layer.tar").write(bytes)
      let other = directory.appending("other")
      try makeDirectories(other, mode: 0o755)
      try await shell("tar -xf \"$1\" -C \"$2\"", directory.appending("layer.tar"), other)
      try await expectSparse(other)
    }
  }

  private func expectSparse(_ tree: FilePath) async throws {
    let sizes = ["empty": 8 << 40, "middle": 64 << 20, "tail": 64 << 20, "end": (64 << 20) + 3]
    for (name, size) in sizes {
      let found = try status(tree.appending(name))
      #expect(found.st_size == size && found.st_blocks * 512 < 1 << 20, "\(name)")
    }
    let script =
      "cd \"$1\"; { printf data | cmp -n 4 -i 31457280:0 middle -; } && head -c 5 tail && tail -c 3 end"
    let words = try await ChildProcess.run(["sh", "-c", script, "sh", tree.string])
    #expect(String(decoding: words.stdout, as: UTF8.self) == "startend")
  }

  @Test("ids beyond the range that files can be given name the entry and where the range ends")
  func ids() async throws {
    for (user, group) in [(65_536, 0), (0, 65_536)] {
      try await withTarget { target, _ in
        var tar = TarArchive()
        tar.add("opt/tool", content: "x", uid: user, gid: group)
        let bytes = tar.whole
        let error = await #expect(throws: EngineError.self) {
          try await unpack(bytes, into: target, options: .init(overlayXattrs: .trusted, highestID: 65_535))
        }
        #expect(error?.kind == .unsupported && error?.subject == "opt/tool")
        let message = error?.message ?? ""
        #expect(message.contains("65536") && message.contains("65535"), "\(message)")
        #expect(error?.hint?.contains("/etc/subuid") == true)
      }
    }
  }

  @Test(
    "what is in a directory takes neither its group nor its access control list", arguments: [false, true])
  func inheritance(isFromOutside: Bool) async throws {
    try await withTarget { target, _ in
      let directory = target.removingLastComponent()
      let tree = directory.appending("tree")
      let around = directory.appending("around")
      let inner = around.appending("store").appending("target")
      try await shell(
        """
        mkdir -m 755 "$1" "$1/local" "$1/local/old" "$1/listed"; cd "$1"
        echo file > local/file; ln -s file local/link; mkfifo local/pipe; mknod local/null c 1 3
        mkdir -m 750 local/old/deeper; echo listed > listed/file
        touch given; mknod null c 1 3; mknod block b 7 300; chown 7:8 given; ln given local/given
        chown 7:8 given
        chgrp 50 local; chmod 2775 local; setfacl -d -m u:9:rwx listed
        touch -d @1000 local listed .
        mkdir -p "$2/store"; chgrp 50 "$2" "$2/store"; chmod 2775 "$2" "$2/store"
        setfacl -d -m u:9:rwx "$2" "$2/store"; mkdir "$2/store/target"
        """, tree, around)
      let bytes = try await archive(tree)
      let place = isFromOutside ? inner : target
      try await unpack(bytes, into: place)
      let found = try await expectSame(tree, place)
      #expect(found.contains("local d 2775 0 50") && found.contains("posix_acl_default"))
    }
  }

  @Test("a directory that is only implied takes nothing of the one above it")
  func impliedInheritance() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("local", .directory, mode: 0o2775, gid: 50)
      tar.add("local/implied/file", content: "x")
      try await unpack(tar.whole, into: target)
      let (local, implied) = try (
        status(target.appending("local")), status(target.appending("local").appending("implied"))
      )
      #expect(local.st_gid == 50 && local.st_mode & 0o7777 == 0o2775)
      #expect(implied.st_gid == 0 && implied.st_mode & 0o7777 == 0o755)
    }
  }

  @Test("a socket in a container is no part of its layer")
  func socket() async throws {
    try await withTarget { target, _ in
      let script = "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1] + '/socket')"
      let made = try await ChildProcess.run(["python3", "-c", script, target.string])
      #expect(made.succeeded)
      try target.appending("file").write("x".utf8)
      let bytes = try await archive(target)
      let names = try await ChildProcess.run(["tar", "-t"], input: .bytes(bytes)).stdout
      #expect(String(decoding: names, as: UTF8.self) == "file\n")
    }
  }
}
