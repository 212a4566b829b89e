import Glibc

/// A pipe that no other program gets; nil where there are no more descriptors.
func makePipe() -> (read: CInt, write: CInt)? {
  var ends: [CInt] = [-1, -1]
  guard pipe(&ends) == 0 else { return nil }
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  return (ends[0], ends[1])
}
