#pragma once
// Processes, identities and signals. Each call answers -1 and sets errno on failure, unless it says otherwise.
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

/// clone3(2) as fork(2) with namespaces and a pidfd: 0 in the child. Only for a single-threaded process.
/// With `group` not -1 the new process is in the cgroup of v2 whose directory that is (CLONE_INTO_CGROUP).
pid_t clinux_clone3(uint64_t namespaces, int *_Nonnull pidfd, int group);
/// unshare(2) itself.
int clinux_unshare(uint64_t namespaces);
/// clone3(2) as fork(2), but the new process is a child of this one's parent (CLONE_PARENT): 0 in the new process. Only for a
/// single-threaded process.
pid_t clinux_fork_sibling(void);
/// A namespace that a process is to join.
struct clinux_joined {
  /// Its CLONE_NEW… flag.
  uint64_t kind;
  int descriptor;
  int zero;
};
/// setns(2) of this process to all of them; `which` is the one that failed.
int clinux_join(const struct clinux_joined *_Nonnull joined, size_t count, uint32_t *_Nonnull which);
/// As clinux_clone3, but the new process is in `joined` as well: a process in between joins them, and makes the new one a
/// child of this one (CLONE_PARENT). Answers -1 with errno; `failed` is then the clinux_step, `which` the one of `joined`.
pid_t clinux_clone3_joined(
  uint64_t namespaces, int *_Nonnull pidfd, int group, const struct clinux_joined *_Nonnull joined, size_t count,
  uint32_t *_Nonnull failed, uint32_t *_Nonnull which);
/// clone(2) as fork(2): 0 in the child. Only for a single-threaded process.
pid_t clinux_fork(void);
/// Takes the next signal of those that are blocked, whichever it is (rt_sigtimedwait(2)).
int clinux_take_signal(void);
/// waitpid(2) for any child that has ended: its pid and wait status, or 0 when there is none.
pid_t clinux_reap(int *_Nonnull status);
int clinux_pidfd_open(pid_t pid);
/// pidfd_send_signal(2).
int clinux_pidfd_signal(int pidfd, int signal);
/// setns(2) to the given namespaces of a pidfd's process.
int clinux_setns(int descriptor, uint64_t namespaces);
/// The directory /proc, to be read by `clinux_next_process`: the caller closes it; null on failure.
void *_Nullable clinux_open_processes(void);
/// The pid of the next process (readdir(3)); 0 behind the last one.
pid_t clinux_next_process(void *_Nonnull processes);
void clinux_close_processes(void *_Nonnull processes);
/// 1 if `path` leads to the file that is open as `descriptor`, such as a namespace; else 0.
int clinux_is_same_file(int descriptor, const char *_Nonnull path);
/// waitid(2) for a pidfd. `status` is a wait status as of wait(2); with `keep` the process stays a zombie (WNOWAIT);
/// with `poll` it does not wait. Answers 1, or 0 if `poll` found it running.
int clinux_wait_pidfd(int pidfd, int *_Nonnull status, int keep, int poll);

/// As clinux_fork_sibling, in new namespaces and, unless it is -1, in the cgroup of v2 that is open as `group`: 0 in the new
/// process.
pid_t clinux_clone_sibling(uint64_t namespaces, int group);
/// 0 if `path` is a file that the caller's effective identity may execute; else an error number.
int clinux_executable_error(const char *_Nonnull path);

/// close_range(2) from `first` up; with `on_exec` they are closed by exec only.
int clinux_close_from(unsigned first, int on_exec);
/// prctl(2) with up to four arguments.
int clinux_prctl(int option, uint64_t second, uint64_t third);
int clinux_capbset_drop(unsigned capability);
int clinux_ambient_clear(void);
int clinux_ambient_raise(unsigned capability);
/// capset(2), version 3.
int clinux_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
/// capget(2), version 3: the permitted set of the calling thread.
int clinux_capget_permitted(uint64_t *_Nonnull permitted);
/// seccomp(2) with a classic BPF program of `count` 8-byte instructions.
int clinux_seccomp(const void *_Nonnull program, unsigned count);
/// fchown(2) of a pipe; of anything else nothing.
void clinux_give_pipe(int descriptor, uint32_t user, uint32_t group);
/// The system calls themselves: in a single-threaded process, without the C library's thread bookkeeping.
int clinux_setgroups(const uint32_t *_Nullable groups, unsigned count);
int clinux_setresgid(uint32_t group);
int clinux_setresuid(uint32_t user);
int clinux_prlimit(unsigned resource, uint64_t soft, uint64_t hard);
int clinux_setdomainname(const char *_Nonnull name, size_t length);
int clinux_sethostname(const char *_Nonnull name, size_t length);
int clinux_setsid(void);
/// getcwd(2) itself: the length with its NUL; outside the root the path begins with `(unreachable)`.
int clinux_getcwd(char *_Nonnull buffer, size_t size);
/// Brings up `lo` of the caller's network namespace (SIOCSIFFLAGS).
int clinux_loopback_up(void);
/// open(2) and openat(2) without their variadic mode.
int clinux_open(const char *_Nonnull path, int flags, uint32_t mode);
int clinux_openat(int directory, const char *_Nonnull path, int flags, uint32_t mode);

/// dup3(2) with O_CLOEXEC.
int clinux_dup_on_exec_closed(int descriptor, int as);

/// PR_SET_PDEATHSIG with SIGKILL; undone by the kernel when credentials change.
int clinux_die_with_parent(void);
/// PR_SET_DUMPABLE.
int clinux_set_dumpable(int dumpable);
/// PR_SET_NAME.
int clinux_set_name(const char *_Nonnull name);
/// Blocks every signal (1), or none (0).
int clinux_block_signals(int block);
/// Default dispositions for signals 32 and 33, which glibc's posix_spawn leaves ignored in the program it starts.
void clinux_reset_internal_signals(void);
/// A signalfd for SIGTERM, non-blocking.
int clinux_terminate_signalfd(void);
/// Takes one pending signal from it: 1, or 0 where there is none.
int clinux_signalfd_take(int descriptor);
/// A write lock on the whole file for the life of the calling process (fcntl F_SETLK: not inherited by children).
int clinux_lock_for_life(int descriptor);
/// A read lock on the whole file for as long as the open file description is there (F_OFD_SETLK), of which there can be many.
int clinux_hold(int descriptor);
/// Whether another open file description has such a lock; -1 on failure.
int clinux_is_held_elsewhere(int descriptor);
/// flock(2) of a file, exclusive and without waiting.
int clinux_try_lock(int descriptor);
/// Who holds such a lock: its pid, 0 if nobody, -1 on failure. A holder of another pid namespace is INT32_MAX.
pid_t clinux_lock_holder(int descriptor);
/// CLOCK_REALTIME in ns.
uint64_t clinux_now(void);
/// In ns, by a clock that nobody sets and that counts while the machine sleeps (CLOCK_BOOTTIME).
uint64_t clinux_boot_time(void);
/// Sends or receives one packet with MSG_NOSIGNAL.
ssize_t clinux_send(int socket, const void *_Nonnull bytes, size_t count, int wait);
ssize_t clinux_receive(int socket, void *_Nonnull bytes, size_t count, int wait);
/// The beginning of the next packet, which stays (MSG_PEEK).
ssize_t clinux_peek(int socket, void *_Nonnull bytes, size_t count);
/// Passes up to 32 descriptors on a local socket (SCM_RIGHTS), which takes them all or none.
int clinux_send_descriptors(int socket, const int *_Nonnull descriptors, size_t count);
/// Waits for such a message: how many descriptors it had, close-on-exec and the caller's; 0 at the end.
int clinux_receive_descriptors(int socket, int *_Nonnull descriptors, size_t limit);
/// A listening SOCK_SEQPACKET socket bound in the working directory with mode 0600, non-blocking.
int clinux_listen_here(const char *_Nonnull name);
int clinux_accept(int socket);
/// A blocking socket connected to the one bound at `name` in the working directory or at a short path; EAGAIN where the listener
/// has not taken it within that time, 0 for at once.
int clinux_connect(const char *_Nonnull path, int milliseconds);
/// The capacity of a pipe in bytes (F_GETPIPE_SZ).
int clinux_pipe_capacity(int descriptor);
int clinux_set_nonblocking(int descriptor);
/// pipe2(2) with O_CLOEXEC; `ends` is two ints, for reading and writing.
int clinux_pipe(void *_Nonnull ends);

/// Maps a file privately and read-only; null on failure.
const void *_Nullable clinux_map_file(int descriptor, size_t *_Nonnull size);
/// Anonymous memory; null on failure.
void *_Nullable clinux_map_memory(size_t size);
/// Gives anonymous memory's pages back; it reads as zeros afterwards.
void clinux_release_memory(void *_Nonnull address, size_t size);
/// Unmaps the program's clean pages (text, constants): they come back from the page cache when touched.
void clinux_release_program(void);
/// Lets others that wait for this processor go first (sched_yield).
void clinux_yield(void);
/// Unmaps memory from clinux_map_file.
void clinux_unmap(const void *_Nonnull address, size_t size);
