#pragma once
#include <string.h>
#include <sys/types.h>

/// `/proc/PID` and what follows, in 40 bytes. Not by snprintf, whose tables would be in the shim.
static inline void clinux_process_path(char *path, pid_t pid, const char *name) {
  char digits[16];
  int at = 0;
  for (pid_t rest = pid; rest > 0; rest /= 10) digits[at++] = (char)('0' + rest % 10);
  strcpy(path, "/proc/");
  size_t length = strlen(path);
  while (at > 0) path[length++] = digits[--at];
  path[length] = 0;
  strcat(path, name);
}
