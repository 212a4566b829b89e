#define _GNU_SOURCE
#include "CLinuxUserNamespace.h"
#include "ProcessPath.h"
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
  char path[40];
  clinux_process_path(path, pid, name);
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

// What an ordinary user may not write alone, the programs of the package uidmap do, within /etc/subuid and /etc/subgid.
static int map_by_program(const char *program, pid_t pid, const char *map) {
  enum { most = 340 * 3 };
  static char text[most * 11 + 1], number[24];
  static const char *arguments[most + 3];
  size_t count = 0, length = strlen(map);
  if (length >= sizeof text) return errno = E2BIG, -1;
  memcpy(text, map, length + 1);
  clinux_process_path(number, pid, "");
  arguments[count++] = program;
  arguments[count++] = number + strlen("/proc/");
  for (char *at = text; *at;) {
    if (*at == ' ' || *at == '\n') {
      *at++ = 0;
      continue;
    }
    if (count == most + 2) return errno = E2BIG, -1;
    arguments[count++] = at;
    while (*at && *at != ' ' && *at != '\n') at++;
  }
  arguments[count] = 0;
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    char *const environment[] = {0};
    execve(program, (char *const *)arguments, environment);
    _exit(127);
  }
  int status = wait_for(child);
  return status == 0 ? 0 : (errno = status == 127 ? ENOENT : EPERM, -1);
}

static int map_groups(pid_t pid, const char *map) {
  if (write_map(pid, "/gid_map", map) == 0) return 0;
  if (errno != EPERM) return -1;
  const char *end = strchr(map, '\n');
  int is_one = end && !end[1] && end - map > 2 && end[-1] == '1' && end[-2] == ' ';
  if (!is_one) return map_by_program("/usr/bin/newgidmap", pid, map);
  // The user's own. Without privilege the kernel takes it only where groups can no longer be dropped (CVE-2014-8989).
  if (write_map(pid, "/setgroups", "deny") != 0) return -1;
  return write_map(pid, "/gid_map", map);
}

static int map_users(pid_t pid, const char *map) {
  if (write_map(pid, "/uid_map", map) == 0) return 0;
  return errno == EPERM ? map_by_program("/usr/bin/newuidmap", pid, map) : -1;
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
  if (map_users(pid, users) == 0 && map_groups(pid, groups) == 0)
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
