#pragma once
// What the C library offers about getting data to the disk only with its GNU extensions.
#include <stdint.h>

int clinux_syncfs(int fd);
/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: begins the writing and does not wait.
int clinux_start_writeback(int fd, int64_t offset, int64_t count);
