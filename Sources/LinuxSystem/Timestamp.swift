internal import CLinux

/// Wall-clock times as the store keeps them: nanoseconds since 1970, UTC (`clock_gettime`, `CLOCK_REALTIME`).
package enum Timestamp {
  package static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
