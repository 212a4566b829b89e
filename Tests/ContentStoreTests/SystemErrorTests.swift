import EngineErrors
import LinuxSystem
import SystemPackage
import Testing

@Suite("What a failed system call means to a person")
struct SystemErrorTests {
  @Test(
    "names the limit that was met",
    arguments: [("inotify_init1", "fs.inotify.max_user_instances"), ("openat2", "ulimit -n")])
  func limits(call: String, limit: String) {
    let error = EngineError("do it", SystemError(call, .tooManyOpenFiles))
    #expect(error.hint?.contains(limit) == true)
  }
}
