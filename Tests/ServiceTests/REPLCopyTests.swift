import Foundation
import TestSupport
import Testing

/// `cp` by the engine of this machine, and by one whose files are others: the same comes of both.
@Suite("cp near and far")
struct REPLCopyTests {
  /// Each with whether it succeeds; there and here is the same, in `/w` and in the working directory.
  private static let copies: [(line: String, succeeds: Bool)] = [
    ("ping", true),
    ("cp file web:/w/new", true), ("cp file web:/w/dir", true), ("cp file web:/w/dir/page", true),
    ("cp file web:/w/lnk", true), ("cp file web:/w/new/", false), ("cp file web:/w/file/", false),
    ("cp file web:/w/none/x", false), ("cp file/. web:/w/new", false), ("cp file web:/w/holds", false),
    ("cp dir web:/w/new", true), ("cp dir web:/w/new/", true), ("cp dir web:/w/into", true),
    ("cp dir web:/w", true), ("cp dir/. web:/w/new", true), ("cp dir/. web:/w/into", true),
    ("cp dir web:/w/file", false), ("cp dir/. web:/w/file", false), ("cp dir web:/w/holds", false),
    ("cp lnk web:/w/new", true), ("cp lnk/ web:/w/new", true), ("cp none web:/w", false),
    ("cp web:/w/file new", true), ("cp web:/w/file dir", true), ("cp web:/w/file dir/page", true),
    ("cp web:/w/file lnk", true), ("cp web:/w/file new/", false), ("cp web:/w/file file/", false),
    ("cp web:/w/file none/x", false), ("cp web:/w/file/. new", false), ("cp web:/w/file holds", false),
    ("cp web:/w/dir new", true), ("cp web:/w/dir new/", true), ("cp web:/w/dir into", true),
    ("cp web:/w/dir .", true), ("cp web:/w/dir/. new", true), ("cp web:/w/dir/. into", true),
    ("cp web:/w/dir file", false), ("cp web:/w/dir/. file", false), ("cp web:/w/dir holds", false),
    ("cp web:/w/lnk new", true), ("cp web:/w/lnk/ new", true), ("cp -L web:/w/lnk new", true),
    ("cp web:/w/none new", false), ("cp web:/none/. new", false),
  ]

  @Test("what a copy makes, and what is refused and changes nothing", arguments: Account.available)
  func same(account: Account) async throws {
    try await withTestStore(account) { store in
      let fill =
        "mkdir -p dir/sub into holds/file; chmod 555 dir/sub; echo $1 file > file; echo $1 page > dir/page; ln -s dir lnk; echo $1 precious > holds/dir; echo $1 kept > holds/file/kept"
      let list = #"find . | LC_ALL=C sort; grep -r "" . | LC_ALL=C sort"#
      let archive = try await store.busyboxArchive(
        """
        echo 'rm -rf /w; mkdir /w; cd /w; \(fill)' > fill
        echo 'cd /w; \(list)' > list
        for name in rm mkdir chmod ln find sort grep; do ln -sf busybox bin/$name; done
        """)
      let script = """
        coracle-repl -c 'import \(archive) b:1' -c 'run -d --init --name web b:1 sleep 1000' > /dev/null || exit 9
        fill() { \(fill); }
        while read -r line; do
          for server in '' '--server'; do
            chmod -R u+w here 2> /dev/null; rm -rf here; mkdir here; (cd here; fill here)
            coracle-repl -c 'exec web sh /fill there' < /dev/null || exit 8
            (cd here; coracle-repl $server ${server:+"env coracle serve"} -c "$line") > /dev/null 2> said < /dev/null
            echo "== $line;${server:-near};$?;$(grep -c '^tar:' said);$(head -n 3 said | tr '\\n;' '  ')"
            (cd here; \(list)); coracle-repl -c 'exec web sh /list' < /dev/null
          done
        done
        coracle-repl -c 'rm -f web' > /dev/null
        """
      let lines = Self.copies.map { $0.line + "\n" }.joined()
      let result = try await store.run(["bash", "-c", script], input: .bytes(Array(lines.utf8)))
      let cases = result.text.components(separatedBy: "== ").dropFirst().map { text in
        let parts = text.split(separator: "\n", maxSplits: 1)
        return (
          head: parts[0].split(separator: ";", omittingEmptySubsequences: false).map(String.init),
          state: parts.count > 1 ? String(parts[1]) : ""
        )
      }
      try #require(cases.count == Self.copies.count * 2, "\(cases.count) \(result.errorText)")
      let before = cases[0].state
      #expect(before.contains("here precious") && before.contains("there precious"))
      for (index, copy) in Self.copies.enumerated() {
        let (near, far) = (cases[index * 2], cases[index * 2 + 1])
        #expect(near.state == far.state, "\(near.head) \(far.head)")
        for found in [near, far] {
          #expect((found.head[2] == "0") == copy.succeeds, "\(found.head)")
          #expect(
            found.head[3] == "0" && (copy.succeeds || found.head[4].contains("hint: ")), "\(found.head)")
          if !copy.succeeds { #expect(found.state == before, "\(found.head)") }
        }
        if copy.succeeds, index > 0 { #expect(near.state != before, "\(near.head)") }
      }
    }
  }
}
