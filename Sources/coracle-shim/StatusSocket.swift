import CLinux

/// Where the service that started this shim hears of it; it may be gone, and then nobody does.
struct StatusSocket {
  let descriptor: CInt

  /// Says by the socket's end that there is an exit record, and lets the service that started the container look at it: while
  /// the mounts are taken down, the kernel has work on all processors.
  func finish() {
    clinux_end_stream(descriptor)
    var poll = PollSet()
    poll.clear()
    poll.add(descriptor, 0)
    _ = poll.wait(milliseconds: 20)
    _ = close(descriptor)
  }

  func send(_ report: clinux_report) {
    var report = report
    _ = clinux_send(descriptor, &report, MemoryLayout<clinux_report>.size, 0)
  }

  func fail(_ failure: Failure) {
    var report = clinux_report()
    report.kind = CLINUX_REPORT_SHIM_FAILED.rawValue
    if let operation = failure.operation {
      report.kind = CLINUX_REPORT_OPERATION_FAILED.rawValue
      report.operation = operation
    }
    report.step = failure.step.rawValue
    report.error = failure.error
    failure.explanation.copy(to: &report)
    send(report)
  }

  func started(pid: pid_t) {
    var report = clinux_report()
    report.kind = CLINUX_REPORT_STARTED.rawValue
    report.pid = pid
    report.time = clinux_now()
    send(report)
  }

  func cloned(pid: pid_t) {
    var report = clinux_report()
    report.kind = CLINUX_REPORT_CLONED.rawValue
    report.pid = pid
    send(report)
  }

  func ended(waitStatus: CInt) {
    var report = clinux_report()
    report.kind = CLINUX_REPORT_ENDED.rawValue
    report.error = waitStatus
    report.time = clinux_now()
    send(report)
  }
}
