#define _GNU_SOURCE
#include "CLinuxUserNamespace.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *const *arguments) {
  pid_t pid;
  if (posix_spawn(&pid, arguments[0], 0, 0, (char *const *)arguments, environ) != 0) return -1;
  return wait_for(pid);
}

int clinux_unshare_user(const char *const *map_users, const char *const *map_groups) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return -1;
  pid_t outside = fork();
  if (outside == 0) {
    char byte;
    close(ready[1]);
    // The end of the pipe without a byte: there is no new namespace.
    if (read(ready[0], &byte, 1) != 1) _exit(0);
    if (run(map_users) != 0) _exit(1);
    _exit(run(map_groups) != 0 ? 2 : 0);
  }
  int error = errno;
  close(ready[0]);
  if (outside < 0) {
    close(ready[1]);
    return errno = error, -1;
  }
  int unshared = unshare(CLONE_NEWUSER);
  error = errno;
  if (unshared == 0) {
    // The owner of /proc/self, which newuidmap checks, follows this flag.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (write(ready[1], "", 1) != 1) unshared = -1, error = EPIPE;
  }
  close(ready[1]);
  int status = wait_for(outside);
  if (unshared != 0) return errno = error, -1;
  return status;
}

int clinux_join_user(int descriptor) {
  if (setns(descriptor, CLONE_NEWUSER) != 0) return -1;
  return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
