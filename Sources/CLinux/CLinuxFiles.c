#define _GNU_SOURCE
#include "include/CLinuxFiles.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(CLINUX_SEEK_DATA == SEEK_DATA && CLINUX_SEEK_HOLE == SEEK_HOLE, "lseek differs");

int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

ssize_t clinux_getdents(int directory, void *records, size_t size) {
  return syscall(SYS_getdents64, directory, records, size);
}

int clinux_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
  return renameat2(from_directory, from, to_directory, to, flags);
}

int clinux_syncfs(int descriptor) { return syncfs(descriptor); }

int clinux_start_writeback(int descriptor, int64_t offset, int64_t length) {
  return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}

int clinux_bypass_cache(int descriptor, int bypasses) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0) return -1;
  return fcntl(descriptor, F_SETFL, bypasses ? flags | O_DIRECT : flags & ~O_DIRECT);
}

ssize_t clinux_write_without_waiting(int descriptor, const void *bytes, size_t count) {
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
  return pwritev2(descriptor, &part, 1, -1, RWF_NOWAIT);
}

dev_t clinux_makedev(unsigned major, unsigned minor) { return makedev(major, minor); }
unsigned clinux_major(dev_t device) { return major(device); }
unsigned clinux_minor(dev_t device) { return minor(device); }

int clinux_punch_hole(int descriptor, uint64_t length) {
  return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)length);
}
