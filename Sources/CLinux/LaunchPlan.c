#include "CLinuxLaunchPlan.h"

const char *clinux_step_name(uint32_t step) {
  switch ((enum clinux_step)step) {
  case CLINUX_STEP_NONE: break;
  case CLINUX_STEP_REQUEST: return "read the launch plan";
  case CLINUX_STEP_PARENT_ALIVE: return "shim is gone";
  case CLINUX_STEP_OPEN: return "open";
  case CLINUX_STEP_OPENAT2: return "openat2";
  case CLINUX_STEP_MKDIR: return "mkdirat";
  case CLINUX_STEP_MKNOD: return "mknodat";
  case CLINUX_STEP_SYMLINK: return "symlinkat";
  case CLINUX_STEP_UNLINK: return "unlinkat";
  case CLINUX_STEP_WRITE: return "write";
  case CLINUX_STEP_FSTAT: return "fstat";
  case CLINUX_STEP_FSTATFS: return "fstatfs";
  case CLINUX_STEP_MOUNT: return "mount";
  case CLINUX_STEP_FSOPEN: return "fsopen";
  case CLINUX_STEP_FSCONFIG: return "fsconfig";
  case CLINUX_STEP_FSMOUNT: return "fsmount";
  case CLINUX_STEP_MOVE_MOUNT: return "move_mount";
  case CLINUX_STEP_OPEN_TREE: return "open_tree";
  case CLINUX_STEP_MOUNT_SETATTR: return "mount_setattr";
  case CLINUX_STEP_PIVOT_ROOT: return "pivot_root";
  case CLINUX_STEP_UMOUNT: return "umount2";
  case CLINUX_STEP_CHDIR: return "chdir";
  case CLINUX_STEP_GETCWD: return "getcwd";
  case CLINUX_STEP_OUTSIDE_ROOT: return "the directory is outside the container";
  case CLINUX_STEP_NOT_NULL_DEVICE: return "/dev/null is not the null device";
  case CLINUX_STEP_USER_NAMESPACE: return "make a user namespace";
  case CLINUX_STEP_MOUNT_IDMAP: return "mount_setattr with MOUNT_ATTR_IDMAP";
  case CLINUX_STEP_TARGET_IN_PROCFS: return "the target leads into procfs";
  case CLINUX_STEP_NOT_PROCFS: return "/proc is not procfs";
  case CLINUX_STEP_NOT_DEVPTS: return "/dev/pts is not devpts";
  case CLINUX_STEP_IOCTL: return "ioctl";
  case CLINUX_STEP_SETHOSTNAME: return "sethostname";
  case CLINUX_STEP_SETDOMAINNAME: return "setdomainname";
  case CLINUX_STEP_PRLIMIT: return "prlimit";
  case CLINUX_STEP_SETSID: return "setsid";
  case CLINUX_STEP_SETGROUPS: return "setgroups";
  case CLINUX_STEP_SETRESGID: return "setresgid";
  case CLINUX_STEP_SETRESUID: return "setresuid";
  case CLINUX_STEP_PRCTL: return "prctl";
  case CLINUX_STEP_CAPSET: return "capset";
  case CLINUX_STEP_SECCOMP: return "seccomp";
  case CLINUX_STEP_SETNS: return "setns";
  case CLINUX_STEP_CLONE: return "clone3";
  case CLINUX_STEP_PIPE: return "pipe2";
  case CLINUX_STEP_SOCKET: return "socket";
  case CLINUX_STEP_LOCK: return "lock";
  case CLINUX_STEP_RENAME: return "rename";
  case CLINUX_STEP_DUP: return "dup3";
  case CLINUX_STEP_SIGNAL: return "signalfd";
  case CLINUX_STEP_AWAIT_START: return "the start was called off";
  case CLINUX_STEP_FORK: return "clone";
  case CLINUX_STEP_EXECVE: return "execve";
  case CLINUX_STEP_FIND_COMMAND: return "find the command";
  case CLINUX_STEP_HOOK: return "the hook failed";
  case CLINUX_STEP_JOIN_GROUP: return "join the control group";
  case CLINUX_STEP_UNSHARE: return "unshare";
  case CLINUX_STEP_CHROOT: return "chroot";
  }
  return "unknown step";
}
