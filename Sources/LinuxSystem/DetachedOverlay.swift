internal import CLinux
internal import Glibc
package import SystemPackage

/// An overlay that is mounted nowhere: a tree to work in by descriptor, gone when that is closed (fsopen(2), fsmount(2)).
///
/// To be called on a thread that ends after it: in a user namespace, whose service has its mounts from outside, the thread
/// gets a mount namespace of its own first. Needs Linux 6.8 for the layers.
/// - Parameters:
///   - lowers: the uppermost first.
///   - userXattrs: overlayfs's marks are in user attributes, as in a user namespace.
///   - isVolatile: when it is gone the kernel has not written it to the disk, and `work` is of no use for another one.
/// - Throws: `SystemError`; `invalidArgument` on an older kernel.
package func mountDetachedOverlay(
  lowers: [FilePath], upper: FilePath, work: FilePath, userXattrs: Bool, isVolatile: Bool = false
) throws(SystemError) -> OwnedDescriptor {
  if userXattrs { try call("unshare", on: "mounts") { clinux_unshare_mounts() } }
  let context = try call("fsopen", on: "overlay") { clinux_fsopen("overlay") }
  defer { close(context) }
  func set(_ key: String, _ path: FilePath) throws(SystemError) {
    // A value has at most 255 bytes; a longer path goes by descriptor.
    if path.string.utf8.count < 256 {
      try call("fsconfig", on: path.string) { clinux_fsconfig(context, key, path.string) }
      return
    }
    let directory = try openDirectory(path)
    try call("fsconfig", on: path.string) {
      clinux_fsconfig(context, key, "/proc/self/fd/\(directory.descriptor.rawValue)")
    }
  }
  try call("fsconfig", on: "overlay") { clinux_fsconfig(context, "source", "overlay") }
  for lower in lowers { try set("lowerdir+", lower) }
  try set("upperdir", upper)
  try set("workdir", work)
  if userXattrs { try call("fsconfig", on: "userxattr") { clinux_fsconfig(context, "userxattr", nil) } }
  if isVolatile {
    try call("fsconfig", on: "volatile") { clinux_fsconfig(context, "volatile", nil) }
    // With an index the kernel refuses (EBUSY) a lower layer that was the upper one of an overlay which is not gone yet.
    try call("fsconfig", on: "index") { clinux_fsconfig(context, "index", "off") }
  }
  try call("fsconfig", on: "overlay") { clinux_fsconfig_create(context) }
  let mount = try call("fsmount", on: "overlay") { clinux_fsmount(context, 0) }
  return OwnedDescriptor(FileDescriptor(rawValue: mount))
}
