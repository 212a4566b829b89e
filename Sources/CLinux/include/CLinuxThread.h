#pragma once
// What the C library offers about single threads only with its GNU extensions.
#include <sys/types.h>

/// Names the calling thread for ps and debuggers; the kernel keeps the first 15 bytes (prctl(2), PR_SET_NAME).
void clinux_name_thread(const char *name);

/// Gives the calling thread a working directory and umask of its own (unshare(2), CLONE_FS) and sets that
/// umask. Answers -1 with errno where a seccomp filter forbids it.
int clinux_private_umask(mode_t mask);
