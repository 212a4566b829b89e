#define _GNU_SOURCE
#include "include/CLinuxThread.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

void clinux_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

int clinux_private_umask(mode_t mask) {
  if (unshare(CLONE_FS) != 0) return -1;
  umask(mask);
  return 0;
}
