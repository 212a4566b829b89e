#pragma once
// The mount calls of Linux 5.2 and later, by descriptor. Each answers -1 and sets errno on failure; descriptors
// are close-on-exec and the caller's.
#include <stdint.h>
#include <sys/types.h>

/// O_PATH, which fcntl.h has for _GNU_SOURCE only; Mount.c checks the value.
#define CLINUX_O_PATH 010000000

/// fsopen(2).
int clinux_fsopen(const char *_Nonnull type);
/// fsconfig(2) with FSCONFIG_SET_STRING, or FSCONFIG_SET_FLAG where `value` is null. The kernel takes at most 255 bytes.
int clinux_fsconfig(int context, const char *_Nonnull key, const char *_Nullable value);
/// fsconfig(2) with FSCONFIG_CMD_CREATE.
int clinux_fsconfig_create(int context);
/// fsmount(2): a detached mount.
int clinux_fsmount(int context, uint32_t attributes);
/// move_mount(2) of the detached mount onto what `target` refers to.
int clinux_move_mount(int mount, int target);
/// move_mount(2) of the detached mount onto the working directory.
int clinux_move_mount_here(int mount);
/// move_mount(2) of what is mounted on a name in a directory onto what `target` refers to.
int clinux_move_mount_from(int directory, const char *_Nonnull name, int target);
/// open_tree(2) with OPEN_TREE_CLONE: a detached copy of the mount at `path` (the descriptor `directory` itself if empty).
int clinux_open_tree_clone(int directory, const char *_Nonnull path, int recursive);
/// The same of a directory in the mount namespace of a process, which has to be in this one's IPC namespace, else ESRCH. No link is
/// followed. For a process with one thread, which may enter both namespaces: it goes there and comes back, or ends where it
/// cannot.
int clinux_clone_shared(pid_t process, const char *_Nonnull path);
/// mount_setattr(2) that sets MOUNT_ATTR_… bits on the mount itself.
int clinux_mount_set(int mount, uint64_t attributes, int recursive);
/// mount_setattr(2) with MOUNT_ATTR_IDMAP: ids in the mount are those that the user namespace makes of the file system's.
int clinux_mount_map(int mount, int user_namespace, int recursive);
/// mount_setattr(2) that sets the propagation of the mount, an MS_… flag.
int clinux_mount_propagate(int mount, uint64_t propagation, int recursive);
/// mount(2) that makes every mount of the namespace private.
int clinux_make_mounts_private(void);
/// mount(2) of type overlay onto the working directory, for kernels without `lowerdir+`.
int clinux_mount_overlay_here(const char *_Nonnull options);
/// pivot_root(2) onto the working directory, the old root detached (umount2(2)); the working directory is the new root.
/// On failure `failed` is the clinux_step.
int clinux_pivot_here(uint32_t *_Nonnull failed);
/// chroot(2) to the working directory.
int clinux_chroot_here(void);

/// openat2(2) with `RESOLVE_IN_ROOT`: `root` is `/` on the whole way, `..` and symbolic links included; no magic links.
int clinux_open_in_root(int root, const char *_Nonnull path, int flags, uint32_t mode, int refuse_symlinks);

/// openat2(2) with `RESOLVE_BENEATH`: what leads out of `directory` on the way is an error (EXDEV); no magic links.
int clinux_open_beneath(int directory, const char *_Nonnull path, int flags);

/// unshare(2) with CLONE_NEWNS: the calling thread alone gets mounts of its own, and the right to mount that goes with them.
int clinux_unshare_mounts(void);

/// What a mount target or device is, read from the descriptor itself.
struct clinux_node {
  int is_directory;
  int is_symlink;
  /// The null device: character, 1:3.
  int is_null_device;
};
int clinux_node(int descriptor, struct clinux_node *_Nonnull node);
/// Whether the descriptor is of a procfs (fstatfs(2), PROC_SUPER_MAGIC); -1 on failure.
int clinux_is_procfs(int descriptor);
int clinux_make_node(int directory, const char *_Nonnull name, uint32_t mode, uint32_t major, uint32_t minor);
/// Whether `name` itself, not what it may lead to, is this device with these file type bits.
int clinux_is_device(int directory, const char *_Nonnull name, uint32_t mode, uint32_t major, uint32_t minor);
