#define _GNU_SOURCE
#include "CLinuxUserNamespace.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

static int open_of(pid_t pid, const char *name, int flags) {
  char path[64];
  // Not snprintf, whose tables would be in the shim.
  char digits[16];
  int at = 0;
  for (pid_t rest = pid; rest > 0; rest /= 10) digits[at++] = (char)('0' + rest % 10);
  strcpy(path, "/proc/");
  size_t length = strlen(path);
  while (at > 0) path[length++] = digits[--at];
  path[length] = 0;
  strcat(path, name);
  return open(path, flags | O_CLOEXEC);
}

static int write_map(pid_t pid, const char *name, const char *map) {
  int file = open_of(pid, name, O_WRONLY);
  if (file < 0) return -1;
  ssize_t written = write(file, map, strlen(map));
  int error = errno;
  close(file);
  return errno = error, written < 0 ? -1 : 0;
}

static int write_group_map(pid_t pid, const char *map) {
  if (write_map(pid, "/gid_map", map) == 0) return 0;
  // Without privilege the kernel takes it only where groups can no longer be dropped (CVE-2014-8989).
  if (errno != EPERM || write_map(pid, "/setgroups", "deny") != 0) return -1;
  return write_map(pid, "/gid_map", map);
}

int clinux_new_user_namespace(const char *users, const char *groups, int *network) {
  struct clone_args arguments = {
    .flags = CLONE_NEWUSER | (network ? CLONE_NEWNET : 0), .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return -1;
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (;;) pause();
  }
  int namespace = -1;
  if (write_map(pid, "/uid_map", users) == 0 && write_group_map(pid, groups) == 0)
    namespace = open_of(pid, "/ns/user", O_RDONLY);
  if (namespace >= 0 && network && (*network = open_of(pid, "/ns/net", O_RDONLY)) < 0) {
    int failed = errno;
    close(namespace);
    namespace = -1;
    errno = failed;
  }
  int error = errno;
  kill(pid, SIGKILL);
  wait_for(pid);
  return errno = error, namespace;
}

int clinux_act_as(uint32_t user, uint32_t group) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  syscall(SYS_setfsgid, group);
  syscall(SYS_setfsuid, user);
  // The change takes those away that are about files.
  return (int)syscall(SYS_capset, &header, data);
}
