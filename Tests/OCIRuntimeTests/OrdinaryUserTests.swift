import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Bundles of an ordinary user")
struct OrdinaryUserTests {
  @Test("ids besides its own are mapped by newuidmap and newgidmap, and may then be changed to")
  func maps() async throws {
    guard let account = Account.available.last, account == .ordinary else { return }
    let user = try #require(geteuid() == 0 ? getpwnam(Account.ordinaryName) : getpwuid(geteuid()))
    let (uid, gid) = (Int(user.pointee.pw_uid), Int(user.pointee.pw_gid))
    let name = String(cString: user.pointee.pw_name)
    func first(_ file: String) throws -> Int {
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
      let range = lines.first { $0.hasPrefix("\(name):") }?.split(separator: ":")
      return try #require(range.flatMap { Int($0[1]) })
    }
    let (users, groups) = (try first("/etc/subuid"), try first("/etc/subgid"))
    try await Bundle.with { bundle in
      func map(_ own: Int, _ more: Int) -> [[String: Int]] {
        [
          ["containerID": 0, "hostID": own, "size": 1], ["containerID": 1, "hostID": more, "size": 60_000],
        ]
      }
      try bundle.changeLinux {
        let namespaces = $0["namespaces"] as? [[String: String]] ?? []
        $0["namespaces"] = namespaces + [["type": "user"]]
        $0["uidMappings"] = map(uid, users)
        $0["gidMappings"] = map(gid, groups)
      }
      try bundle.change {
        var process = $0["process"] as? [String: Any] ?? [:]
        process["user"] = ["uid": 1000, "gid": 1001, "additionalGids": [7, 9]] as [String: Any]
        process["args"] = ["sh", "-c", "id -u; id -G; sleep 1000"]
        $0["process"] = process
      }
      try await account.give(bundle.directory, in: bundle)
      func runtime(_ arguments: String...) async throws -> ChildProcess.Result {
        try await ChildProcess.run(
          account.launcher + bundle.command + arguments, workingDirectory: bundle.directory)
      }
      let started = try await ChildProcess.run(
        account.launcher + ["/bin/sh", "-c", "exec \"$@\" < /dev/null > out 2> errors", "sh"] + bundle.command
          + ["run", "-d", "c"], workingDirectory: bundle.directory)
      let errors = String(decoding: try bundle.directory.appending("errors").readAll(), as: UTF8.self)
      try #require(started.succeeded, "\(errors)")
      let output = bundle.directory.appending("out")
      let exec = try await runtime(
        "exec", "--user", "5:6", "c", "sh", "-c", "id -u; id -g; cat /proc/self/uid_map")
      let lines = exec.text.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
      #expect(lines == ["5", "6", "0 \(uid) 1", "1 \(users) 60000"], "\(exec.errorText)")
      let said = try await eventually(describing: "the container has said both") {
        String(decoding: try output.readAll(), as: UTF8.self)
      } until: {
        $0.utf8.count >= 14
      }
      #expect(said == "1000\n1001 7 9\n")
      #expect(try await runtime("delete", "--force", "c").succeeded)

      // What belongs to nobody, or to somebody else, is not given.
      try bundle.changeLinux { $0["uidMappings"] = map(uid, 1) }
      let refused = try await runtime("run", "d")
      #expect(refused.errorText.contains("cannot make the user namespace"), "\(refused.errorText)")
    }
  }
}
