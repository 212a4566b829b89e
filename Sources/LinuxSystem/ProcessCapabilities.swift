import CLinux

/// The capabilities that the calling thread may use, as a bit mask of their numbers (capget(2), capabilities(7)).
package func permittedCapabilities() throws(SystemError) -> UInt64 {
  var mask: UInt64 = 0
  try call("capget") { clinux_capget_permitted(&mask) }
  return mask
}
