#define _GNU_SOURCE
#include "CLinuxHook.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int input_file(const char *input, size_t size) {
  int file = memfd_create("hook-input", MFD_CLOEXEC);
  if (file < 0) return -1;
  for (size_t done = 0; done < size;) {
    ssize_t count = pwrite(file, input + done, size - done, (off_t)done);
    if (count < 0) {
      int error = errno;
      close(file);
      return errno = error, -1;
    }
    done += (size_t)count;
  }
  return file;
}

static int start(
  pid_t *pid, const char *path, const char *const *arguments, const char *const *environment, int input) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(
    &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int error = posix_spawn_file_actions_adddup2(&actions, input, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(&actions, 2, 1);
  if (!error)
    error = posix_spawn(pid, path, &actions, &attributes, (char *const *)arguments, (char *const *)environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

int clinux_run_hook(
  const char *path, const char *const *arguments, const char *const *environment, const char *input, size_t size,
  int milliseconds, int *wait_status) {
  int file = input_file(input, size);
  if (file < 0) return -1;
  pid_t pid = 0;
  int error = start(&pid, path, arguments, environment, file);
  close(file);
  if (error) return errno = error, -1;
  int ended = 1;
  if (milliseconds >= 0) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd entry = {.fd = process, .events = POLLIN};
    // Without a pidfd it is waited for as long as it takes.
    if (process >= 0) {
      do ended = poll(&entry, 1, milliseconds);
      while (ended < 0 && errno == EINTR);
      close(process);
    }
    if (ended == 0) kill(-pid, SIGKILL);
  }
  while (waitpid(pid, wait_status, 0) < 0)
    if (errno != EINTR) return -1;
  if (ended == 0) return errno = ETIMEDOUT, -1;
  return 0;
}
