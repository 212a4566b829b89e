import CLinux
import Glibc

/// The user and group that new files belong to (geteuid(2), getegid(2)).
package func effectiveIDs() -> (user: UInt32, group: UInt32) { (geteuid(), getegid()) }

/// Gives the calling thread a umask of its own, which is 0, so that modes are taken as they are. A thread that cannot
/// have one sets its modes afterwards all the same.
package func usePrivateUmask() { _ = clinux_private_umask(0) }

/// Lets the calling thread make files as another user, with all capabilities that it has (setfsuid(2)): where a mount has
/// ids of its own, who has none there cannot make any.
package func makeFiles(asUser user: UInt32, group: UInt32) throws(SystemError) {
  try call("setfsuid") { clinux_act_as(user, group) }
}

/// Makes this process's umask one that takes nothing from modes up to 0755 (umask(2)): who the user lets read their files
/// is not for what a container finds.
package func useOrdinaryUmask() { umask(0o022) }

/// The calling process (getpid(2)).
package func getProcessID() -> Int32 { getpid() }
