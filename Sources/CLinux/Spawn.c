#define _GNU_SOURCE
#include "CLinuxSpawn.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { descriptor_limit = 128 };

int clinux_spawn(
  pid_t *pid, const char *path, const char *const *arguments, const char *const *environment,
  const int *descriptors, size_t count) {
  int sources[descriptor_limit];
  size_t ready = 0;
  if (count > descriptor_limit) return EINVAL;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  int error = 0;
  // Copies above all targets: no dup2 then overwrites the source of a later one.
  for (; ready < count; ready++) {
    sources[ready] = fcntl(descriptors[ready], F_DUPFD_CLOEXEC, (int)count);
    if (sources[ready] < 0) {
      error = errno;
      break;
    }
    error = posix_spawn_file_actions_adddup2(&actions, sources[ready], (int)ready);
    if (error) {
      close(sources[ready]);
      break;
    }
  }
  if (!error) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn(
      pid, path, &actions, &attributes, (char *const *)arguments, (char *const *)environment);
  }
  while (ready > 0) close(sources[--ready]);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

int clinux_execv(const char *path, const char *const *arguments) {
  return execv(path, (char *const *)arguments);
}

int clinux_memfd(const char *name, int executable) {
  // MFD_EXEC and MFD_NOEXEC_SEAL (Linux 6.3); older kernels know neither and make every memfd executable.
  unsigned kind = executable ? 0x10u : 0x08u;
  int result = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kind);
  if (result < 0 && errno == EINVAL) result = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return result;
}

int clinux_seal(int memfd) {
  return fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

int clinux_socket_pair(int *ends) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends); }

int clinux_eventfd(void) { return eventfd(0, EFD_CLOEXEC); }

void clinux_eventfd_wake(int descriptor) { eventfd_write(descriptor, 1); }

void clinux_eventfd_drain(int descriptor) {
  eventfd_t value;
  struct pollfd entry = {.fd = descriptor, .events = POLLIN};
  if (poll(&entry, 1, 0) > 0) (void)eventfd_read(descriptor, &value);
}

void clinux_eventfd_wait(int descriptor) {
  eventfd_t value;
  while (eventfd_read(descriptor, &value) < 0 && errno == EINTR) continue;
}

int clinux_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int clinux_epoll_add(int epoll, int descriptor, uint64_t token, enum clinux_readiness readiness) {
  uint32_t events = readiness == CLINUX_READINESS_URGENT     ? EPOLLPRI
                    : readiness == CLINUX_READINESS_WRITABLE ? EPOLLOUT
                                                             : EPOLLIN;
  struct epoll_event event = {.events = events | EPOLLONESHOT, .data.u64 = token};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int clinux_epoll_remove(int epoll, int descriptor) { return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, 0); }

int clinux_epoll_wait(int epoll, uint64_t *tokens, int limit) {
  struct epoll_event events[32];
  if (limit > 32) limit = 32;
  int count = epoll_wait(epoll, events, limit, -1);
  for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
  return count;
}

int clinux_inotify(void) { return inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }

int clinux_inotify_watch(int descriptor, const char *path) {
  return inotify_add_watch(descriptor, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB);
}

int clinux_inotify_remove(int descriptor, int watch) { return inotify_rm_watch(descriptor, watch); }

int clinux_inotify_take(int descriptor) {
  _Alignas(struct inotify_event) char buffer[4096];
  int any = 0;
  while (read(descriptor, buffer, sizeof buffer) > 0) any = 1;
  return any;
}

int clinux_alarm(uint64_t time) {
  int handle = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (handle < 0) return -1;
  if (time == 0) time = 1;
  struct itimerspec when = {
    .it_value = {.tv_sec = (time_t)(time / 1000000000u), .tv_nsec = (long)(time % 1000000000u)}};
  if (timerfd_settime(handle, TFD_TIMER_ABSTIME, &when, 0) == 0) return handle;
  int error = errno;
  close(handle);
  return errno = error, -1;
}

int clinux_dup_above(int descriptor, int least) { return fcntl(descriptor, F_DUPFD_CLOEXEC, least); }
