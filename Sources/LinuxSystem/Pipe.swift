import CLinux
package import SystemPackage

/// Makes a pipe whose ends are close-on-exec (pipe2(2)). The caller owns both.
package func makePipe() throws(SystemError) -> (read: FileDescriptor, write: FileDescriptor) {
  var ends: (CInt, CInt) = (-1, -1)
  try call("pipe2") { withUnsafeMutableBytes(of: &ends) { clinux_pipe($0.baseAddress.unsafelyUnwrapped) } }
  return (FileDescriptor(rawValue: ends.0), FileDescriptor(rawValue: ends.1))
}
