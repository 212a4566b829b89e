#pragma once
// File calls that take no path from a working directory: all is relative to descriptors.
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
  CLINUX_RESOLVE_NO_MAGICLINKS = 0x02,
  CLINUX_RESOLVE_NO_SYMLINKS = 0x04,
  CLINUX_RESOLVE_BENEATH = 0x08,
  CLINUX_RENAME_NOREPLACE = 1,
  CLINUX_RENAME_EXCHANGE = 2,
  CLINUX_SEEK_DATA = 3,
  CLINUX_SEEK_HOLE = 4,
};

/// openat2(2), which the C library has no wrapper for.
int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
/// getdents64(2): directory records as the kernel writes them.
ssize_t clinux_getdents(int directory, void *records, size_t size);
int clinux_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);
int clinux_syncfs(int descriptor);
/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: starts writing dirty pages and does not wait.
int clinux_start_writeback(int descriptor, int64_t offset, int64_t length);
/// Sets or clears O_DIRECT (fcntl(2), F_SETFL).
int clinux_bypass_cache(int descriptor, int bypasses);

/// One record of getdents64(2).
struct clinux_dirent {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

static inline const char *clinux_dirent_name(const void *record) {
  return ((const struct clinux_dirent *)record)->name;
}

dev_t clinux_makedev(unsigned major, unsigned minor);
unsigned clinux_major(dev_t device);
unsigned clinux_minor(dev_t device);

/// pwritev2(2) with RWF_NOWAIT, at the file's position: -1 with EAGAIN where it would wait, with EOPNOTSUPP where that cannot be asked.
ssize_t clinux_write_without_waiting(int descriptor, const void *bytes, size_t count);
/// Gives back a file's content from its beginning on, and keeps its length (fallocate(2)).
int clinux_punch_hole(int descriptor, uint64_t length);
