internal import Glibc

/// The wall clock in nanoseconds since 1970 (clock_gettime(2), CLOCK_REALTIME).
package func nanosecondsSince1970() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
