#define _GNU_SOURCE
#include "CLinuxMount.h"
#include "CLinuxLaunchPlan.h"
#include "ProcessPath.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

_Static_assert(CLINUX_O_PATH == O_PATH, "O_PATH differs on this architecture");

int clinux_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC); }

int clinux_fsconfig(int context, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
}

int clinux_fsconfig_create(int context) {
  return (int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
}

int clinux_fsmount(int context, uint32_t attributes) {
  return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
}

int clinux_move_mount(int mount, int target) {
  return (int)syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int clinux_move_mount_here(int mount) {
  return (int)syscall(SYS_move_mount, mount, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH);
}

int clinux_move_mount_from(int directory, const char *name, int target) {
  return (int)syscall(SYS_move_mount, directory, name, target, "", MOVE_MOUNT_T_EMPTY_PATH);
}

int clinux_open_tree_clone(int directory, const char *path, int recursive) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  return (int)syscall(SYS_open_tree, directory, path, flags | (*path ? 0 : AT_EMPTY_PATH));
}

static int open_namespace(pid_t process, const char *name) {
  char path[40];
  clinux_process_path(path, process, name);
  return open(path, O_RDONLY | O_CLOEXEC);
}

// The mount namespace of a process that is in this one's IPC namespace.
static int shared_mounts(pid_t process) {
  int theirs = open_namespace(process, "/ns/ipc");
  if (theirs < 0) return -1;
  struct stat found, wanted;
  int differs =
      fstat(theirs, &found) != 0 || stat("/proc/self/ns/ipc", &wanted) != 0 || found.st_ino != wanted.st_ino;
  close(theirs);
  return differs ? (errno = ESRCH, -1) : open_namespace(process, "/ns/mnt");
}

int clinux_clone_shared(pid_t process, const char *path) {
  int mounts = shared_mounts(process);
  if (mounts < 0) return -1;
  int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  int root = open("/", O_PATH | O_CLOEXEC);
  int here = open(".", O_PATH | O_CLOEXEC);
  int copy = -1, error = errno;
  if (own >= 0 && root >= 0 && here >= 0) {
    if (setns(mounts, CLONE_NEWNS) == 0) {
      // By descriptor: what it has there may be changed at any time.
      struct open_how how = {
          .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
      int directory = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
      if (directory >= 0) copy = clinux_open_tree_clone(directory, "", 0);
      error = errno;
      if (directory >= 0) close(directory);
      // Anywhere else this process would be of harm.
      if (setns(own, CLONE_NEWNS) != 0 || fchdir(root) != 0 || chroot(".") != 0 || fchdir(here) != 0) abort();
    } else {
      error = errno;
    }
  }
  close(mounts);
  if (own >= 0) close(own);
  if (root >= 0) close(root);
  if (here >= 0) close(here);
  return errno = error, copy;
}

int clinux_mount_set(int mount, uint64_t attributes, int recursive) {
  struct mount_attr change = {.attr_set = attributes};
  // The access-time bits are one field with several values: it is cleared before one is set.
  if (attributes & (MOUNT_ATTR__ATIME & ~(uint64_t)MOUNT_ATTR_RELATIME)) change.attr_clr = MOUNT_ATTR__ATIME;
  return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &change, sizeof change);
}

int clinux_mount_map(int mount, int user_namespace, int recursive) {
  struct mount_attr change = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace};
  return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &change, sizeof change);
}

int clinux_mount_propagate(int mount, uint64_t propagation, int recursive) {
  struct mount_attr change = {.propagation = propagation};
  return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &change, sizeof change);
}

int clinux_make_mounts_private(void) { return mount(0, "/", 0, MS_REC | MS_PRIVATE, 0); }

int clinux_mount_overlay_here(const char *options) { return mount("overlay", ".", "overlay", MS_NODEV, options); }

int clinux_pivot_here(uint32_t *failed) {
  *failed = CLINUX_STEP_PIVOT_ROOT;
  // Old and new root are stacked on one directory, so no directory for the old one is needed in the image.
  if (syscall(SYS_pivot_root, ".", ".") != 0) return -1;
  *failed = CLINUX_STEP_UMOUNT;
  if (umount2(".", MNT_DETACH) != 0) return -1;
  *failed = CLINUX_STEP_CHDIR;
  return chdir("/");
}

int clinux_chroot_here(void) { return chroot("."); }

static int open_resolved(int directory, const char *path, struct open_how how) {
  int result;
  // EAGAIN: a rename anywhere on the machine raced with a `..`; the kernel could not be sure, and says try again.
  for (int attempt = 0; attempt < 128; attempt++) {
    result = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (result >= 0 || errno != EAGAIN) break;
  }
  return result;
}

int clinux_open_in_root(int root, const char *path, int flags, uint32_t mode, int refuse_symlinks) {
  return open_resolved(root, path, (struct open_how){
    .flags = (uint32_t)flags | O_CLOEXEC,
    .mode = (flags & O_CREAT) ? mode : 0,
    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (refuse_symlinks ? RESOLVE_NO_SYMLINKS : 0),
  });
}

int clinux_open_beneath(int directory, const char *path, int flags) {
  return open_resolved(directory, path, (struct open_how){
    .flags = (uint32_t)flags | O_CLOEXEC,
    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  });
}

int clinux_unshare_mounts(void) { return unshare(CLONE_NEWNS); }

int clinux_node(int descriptor, struct clinux_node *node) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return -1;
  node->is_directory = S_ISDIR(status.st_mode);
  node->is_symlink = S_ISLNK(status.st_mode);
  node->is_null_device = S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
  return 0;
}

int clinux_is_procfs(int descriptor) {
  struct statfs status;
  if (fstatfs(descriptor, &status) != 0) return -1;
  return status.f_type == PROC_SUPER_MAGIC;
}

int clinux_make_node(int directory, const char *name, uint32_t mode, uint32_t major, uint32_t minor) {
  return mknodat(directory, name, mode, makedev(major, minor));
}

int clinux_is_device(int directory, const char *name, uint32_t mode, uint32_t major, uint32_t minor) {
  struct stat status;
  return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && (status.st_mode & S_IFMT) == (mode & S_IFMT)
    && status.st_rdev == makedev(major, minor);
}
