#pragma once
// Starting a program from a process with threads, and what a service waits on.
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// posix_spawn(3): the program sees `descriptors[i]` as descriptor i and no other (all others must be close-on-exec), leads
/// a session of its own, and starts with no signal blocked or ignored. Answers 0 or the error number.
int clinux_spawn(
  pid_t *_Nonnull pid, const char *_Nonnull path, const char *_Nonnull const *_Nonnull arguments,
  const char *_Nonnull const *_Nonnull environment, const int *_Nonnull descriptors, size_t count);

/// execv(3): returns only on failure, with -1.
int clinux_execv(const char *_Nonnull path, const char *_Nonnull const *_Nonnull arguments);

/// memfd_create(2): close-on-exec; an executable one can be sealed. Executable files are refused (EACCES) where
/// the sysctl vm.memfd_noexec is 2.
int clinux_memfd(const char *_Nonnull name, int executable);
/// F_ADD_SEALS: nobody writes, grows or shrinks it again, or takes the seals off.
int clinux_seal(int memfd);
/// A SOCK_SEQPACKET pair, close-on-exec.
int clinux_socket_pair(int *_Nonnull ends);

/// An eventfd, close-on-exec; -1 on failure.
int clinux_eventfd(void);
void clinux_eventfd_wake(int descriptor);
/// Waits until it was woken since the last wait.
void clinux_eventfd_wait(int descriptor);
/// Takes what there is, without waiting.
void clinux_eventfd_drain(int descriptor);

/// epoll, for one thread that waits on behalf of many.
int clinux_epoll(void);
enum clinux_readiness {
  CLINUX_READINESS_READABLE,
  /// EPOLLPRI
  CLINUX_READINESS_URGENT,
  CLINUX_READINESS_WRITABLE,
};
/// Adds a descriptor once (EPOLLONESHOT) under `token`.
int clinux_epoll_add(int epoll, int descriptor, uint64_t token, enum clinux_readiness readiness);
int clinux_epoll_remove(int epoll, int descriptor);
/// Waits for up to `limit` tokens.
int clinux_epoll_wait(int epoll, uint64_t *_Nonnull tokens, int limit);

/// An inotify descriptor (close-on-exec, non-blocking) that watches nothing yet.
int clinux_inotify(void);
/// Watches a file for writes and another name, or a directory for new names; answers the watch's number.
int clinux_inotify_watch(int descriptor, const char *_Nonnull path);
int clinux_inotify_remove(int descriptor, int watch);
/// Takes all pending notices: 1 if there were any.
int clinux_inotify_take(int descriptor);
/// A descriptor that is readable from a time on (timerfd, CLOCK_REALTIME, in ns); close-on-exec.
int clinux_alarm(uint64_t time);
/// fcntl F_DUPFD_CLOEXEC at or above `least`.
int clinux_dup_above(int descriptor, int least);
