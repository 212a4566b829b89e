#define _GNU_SOURCE
#include "CLinuxProcess.h"
#include "CLinuxLaunchPlan.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void place_in(int group, struct clone_args *arguments) {
  if (group < 0) return;
  arguments->flags |= CLONE_INTO_CGROUP;
  arguments->cgroup = (uint64_t)group;
}

pid_t clinux_clone3(uint64_t namespaces, int *pidfd, int group) {
  struct clone_args arguments = {
    .flags = namespaces | CLONE_PIDFD, .pidfd = (uintptr_t)pidfd, .exit_signal = SIGCHLD};
  place_in(group, &arguments);
  return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

struct joined_answer {
  pid_t pid;
  int pidfd, error;
  uint32_t step, which;
};

/// The user namespace after the others, which mostly are its parent's: those that are its own, only its root may join, and
/// they come after it.
static int join_all(const struct clinux_joined *joined, size_t count, struct joined_answer *answer) {
  uint64_t left = 0;
  for (int round = 0; round < 3; round++)
    for (size_t i = 0; i < count; i++) {
      int is_turn = joined[i].kind == CLONE_NEWUSER ? round == 1 : round == 0 || (round == 2 && (left & 1ull << i));
      if (!is_turn || setns(joined[i].descriptor, (int)joined[i].kind) == 0) continue;
      answer->which = (uint32_t)i;
      if (round != 0 || errno != EPERM) return -1;
      left |= 1ull << i;
    }
  return 0;
}

int clinux_join(const struct clinux_joined *joined, size_t count, uint32_t *which) {
  struct joined_answer answer = {0};
  int result = join_all(joined, count, &answer);
  *which = answer.which;
  return result;
}

pid_t clinux_clone3_joined(
  uint64_t namespaces, int *pidfd, int group, const struct clinux_joined *joined, size_t count, uint32_t *failed,
  uint32_t *which) {
  int ends[2];
  struct joined_answer answer = {.pid = -1, .pidfd = -1, .error = EIO, .step = CLINUX_STEP_CLONE};
  *failed = CLINUX_STEP_CLONE;
  *which = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  // It shares the descriptors, so that the pidfd it gets is this process's too.
  struct clone_args between = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
  pid_t joining = (pid_t)syscall(SYS_clone3, &between, sizeof between);
  if (joining == 0) {
    if (join_all(joined, count, &answer) != 0) {
      answer.error = errno;
      answer.step = CLINUX_STEP_SETNS;
    } else {
      struct clone_args arguments = {
        .flags = namespaces | CLONE_PARENT | CLONE_PIDFD, .pidfd = (uintptr_t)&answer.pidfd};
      place_in(group, &arguments);
      answer.pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
      if (answer.pid == 0) return 0;
      answer.error = errno;
    }
    if (write(ends[1], &answer, sizeof answer) != sizeof answer) _exit(1);
    _exit(0);
  }
  int error = errno;
  if (joining > 0) {
    while (waitpid(joining, 0, 0) < 0 && errno == EINTR) continue;
    // The pipe has room for it, so it is there by now.
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    if (read(ends[0], &answer, sizeof answer) != sizeof answer) answer.pid = -1;
    error = answer.error;
  }
  close(ends[0]);
  close(ends[1]);
  *failed = answer.step;
  *which = answer.which;
  *pidfd = answer.pidfd;
  return errno = error, answer.pid;
}

int clinux_unshare(uint64_t namespaces) { return (int)syscall(SYS_unshare, namespaces); }

pid_t clinux_fork_sibling(void) {
  // It tells the parent of its end by the signal that this process would.
  struct clone_args arguments = {.flags = CLONE_PARENT};
  return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

pid_t clinux_clone_sibling(uint64_t namespaces, int group) {
  struct clone_args arguments = {.flags = namespaces | CLONE_PARENT};
  place_in(group, &arguments);
  return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

int clinux_executable_error(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

pid_t clinux_fork(void) {
  // Not clone3: under a seccomp filter, which cannot look at its flags, that is refused.
  return (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
}

int clinux_take_signal(void) {
  uint64_t all = ~0ull;
  return (int)syscall(SYS_rt_sigtimedwait, &all, 0, 0, sizeof all);
}

pid_t clinux_reap(int *status) {
  pid_t pid = (pid_t)syscall(SYS_wait4, -1, status, WNOHANG, 0);
  return pid > 0 ? pid : 0;
}

int clinux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int clinux_pidfd_signal(int pidfd, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, 0, 0);
}
int clinux_setns(int descriptor, uint64_t namespaces) { return setns(descriptor, (int)namespaces); }

void *clinux_open_processes(void) { return opendir("/proc"); }

pid_t clinux_next_process(void *processes) {
  struct dirent *entry;
  while ((entry = readdir(processes))) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') return (pid_t)strtol(entry->d_name, NULL, 10);
  }
  return 0;
}

void clinux_close_processes(void *processes) { closedir(processes); }

int clinux_is_same_file(int descriptor, const char *path) {
  struct stat open, named;
  if (fstat(descriptor, &open) != 0 || stat(path, &named) != 0) return 0;
  return open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

int clinux_wait_pidfd(int pidfd, int *status, int keep, int poll) {
  siginfo_t info = {0};
  int options = WEXITED | (keep ? WNOWAIT : 0) | (poll ? WNOHANG : 0);
  while (syscall(SYS_waitid, P_PIDFD, pidfd, &info, options, 0) != 0)
    if (errno != EINTR) return -1;
  if (info.si_pid == 0) return 0;
  if (info.si_code == CLD_EXITED) *status = (info.si_status & 0xff) << 8;
  else *status = (info.si_status & 0x7f) | (info.si_code == CLD_DUMPED ? 0x80 : 0);
  return 1;
}

int clinux_close_from(unsigned first, int on_exec) {
  return (int)syscall(SYS_close_range, first, ~0u, on_exec ? CLOSE_RANGE_CLOEXEC : 0);
}

int clinux_prctl(int option, uint64_t second, uint64_t third) { return prctl(option, second, third, 0, 0); }
int clinux_capbset_drop(unsigned capability) { return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); }
int clinux_ambient_clear(void) { return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); }
int clinux_ambient_raise(unsigned capability) {
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
}

int clinux_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int word = 0; word < 2; word++) {
    data[word].effective = (uint32_t)(effective >> (32 * word));
    data[word].permitted = (uint32_t)(permitted >> (32 * word));
    data[word].inheritable = (uint32_t)(inheritable >> (32 * word));
  }
  return (int)syscall(SYS_capset, &header, data);
}

int clinux_capget_permitted(uint64_t *permitted) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  return 0;
}

int clinux_seccomp(const void *program, unsigned count) {
  struct sock_fprog filter = {.len = (unsigned short)count, .filter = (struct sock_filter *)program};
  if (count == 0 || count > BPF_MAXINSNS) return errno = EINVAL, -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

int clinux_setgroups(const uint32_t *groups, unsigned count) { return (int)syscall(SYS_setgroups, (long)count, groups); }
int clinux_setresgid(uint32_t group) { return (int)syscall(SYS_setresgid, group, group, group); }
int clinux_setresuid(uint32_t user) { return (int)syscall(SYS_setresuid, user, user, user); }

int clinux_prlimit(unsigned resource, uint64_t soft, uint64_t hard) {
  uint64_t limit[2] = {soft, hard};
  return (int)syscall(SYS_prlimit64, 0, resource, limit, 0);
}

int clinux_setdomainname(const char *name, size_t length) { return (int)syscall(SYS_setdomainname, name, length); }
int clinux_sethostname(const char *name, size_t length) { return (int)syscall(SYS_sethostname, name, length); }
int clinux_setsid(void) { return setsid() < 0 ? -1 : 0; }
int clinux_getcwd(char *buffer, size_t size) { return (int)syscall(SYS_getcwd, buffer, size); }

int clinux_loopback_up(void) {
  int handle = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (handle < 0) return -1;
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int result = ioctl(handle, SIOCSIFFLAGS, &request);
  int error = errno;
  close(handle);
  return errno = error, result;
}

int clinux_open(const char *path, int flags, uint32_t mode) { return open(path, flags, mode); }
int clinux_openat(int directory, const char *path, int flags, uint32_t mode) {
  return openat(directory, path, flags, mode);
}

int clinux_dup_on_exec_closed(int descriptor, int as) { return dup3(descriptor, as, O_CLOEXEC); }

int clinux_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }
int clinux_set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }
int clinux_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

int clinux_block_signals(int block) {
  uint64_t set = block ? ~0ull : 0;
  return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, 0, sizeof set);
}

void clinux_reset_internal_signals(void) {
  // The kernel's own structure: handler, flags, restorer, mask. The C library refuses these two signals.
  const uint64_t standard[4] = {0};
  for (int signal = 32; signal <= 33; signal++) syscall(SYS_rt_sigaction, signal, standard, 0, sizeof(uint64_t));
}

int clinux_terminate_signalfd(void) {
  uint64_t set = 1ull << (SIGTERM - 1);
  return (int)syscall(SYS_signalfd4, -1, &set, sizeof set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int clinux_signalfd_take(int descriptor) {
  struct signalfd_siginfo info;
  return read(descriptor, &info, sizeof info) == sizeof info;
}

int clinux_lock_for_life(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(descriptor, F_SETLK, &lock);
}

int clinux_hold(int descriptor) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  return fcntl(descriptor, F_OFD_SETLK, &lock);
}

int clinux_is_held_elsewhere(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(descriptor, F_OFD_GETLK, &lock) != 0) return -1;
  return lock.l_type != F_UNLCK;
}

int clinux_try_lock(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }

pid_t clinux_lock_holder(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(descriptor, F_GETLK, &lock) != 0) return -1;
  if (lock.l_type == F_UNLCK) return 0;
  return lock.l_pid > 0 ? lock.l_pid : INT32_MAX;
}

static uint64_t time_of(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t clinux_now(void) { return time_of(CLOCK_REALTIME); }
uint64_t clinux_boot_time(void) { return time_of(CLOCK_BOOTTIME); }

ssize_t clinux_send(int socket, const void *bytes, size_t count, int wait) {
  ssize_t sent;
  do sent = send(socket, bytes, count, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
  while (sent < 0 && errno == EINTR);
  return sent;
}

ssize_t clinux_receive(int socket, void *bytes, size_t count, int wait) {
  ssize_t received;
  do received = recv(socket, bytes, count, wait ? 0 : MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  return received;
}

ssize_t clinux_peek(int socket, void *bytes, size_t count) {
  ssize_t received;
  do received = recv(socket, bytes, count, MSG_PEEK | MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  return received;
}

void clinux_give_pipe(int descriptor, uint32_t user, uint32_t group) {
  struct stat status;
  if (fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode)) (void)!fchown(descriptor, user, group);
}

enum { descriptors_at_once = 32 };

union descriptor_message {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(descriptors_at_once * sizeof(int))];
};

int clinux_send_descriptors(int socket, const int *descriptors, size_t count) {
  if (count > descriptors_at_once) return errno = EINVAL, -1;
  char byte = 0;
  struct iovec part = {.iov_base = &byte, .iov_len = 1};
  union descriptor_message control = {0};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -1 : 0;
}

int clinux_receive_descriptors(int socket, int *descriptors, size_t limit) {
  char byte;
  struct iovec part = {.iov_base = &byte, .iov_len = 1};
  union descriptor_message control = {0};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t received;
  do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received <= 0) return (int)received;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return 0;
  size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t index = limit; index < count; index++) close(((int *)CMSG_DATA(header))[index]);
  if (count > limit) count = limit;
  memcpy(descriptors, CMSG_DATA(header), count * sizeof(int));
  return (int)count;
}

static int local_address(const char *path, struct sockaddr_un *address) {
  size_t length = strlen(path);
  if (length >= sizeof address->sun_path) return errno = ENAMETOOLONG, -1;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path, path, length + 1);
  return 0;
}

int clinux_listen_here(const char *name) {
  struct sockaddr_un address;
  if (local_address(name, &address) != 0) return -1;
  int handle = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (handle < 0) return -1;
  // The socket's own mode, less the umask, is the mode of its name: nobody finds it wider for a moment.
  fchmod(handle, 0600);
  unlink(name);
  if (bind(handle, (struct sockaddr *)&address, sizeof address) == 0 && chmod(name, 0600) == 0 && listen(handle, 8) == 0)
    return handle;
  int error = errno;
  close(handle);
  return errno = error, -1;
}

int clinux_accept(int socket) { return accept4(socket, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK); }

int clinux_connect(const char *path, int milliseconds) {
  struct sockaddr_un address;
  if (local_address(path, &address) != 0) return -1;
  int handle = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (milliseconds > 0 ? 0 : SOCK_NONBLOCK), 0);
  if (handle < 0) return -1;
  // It bounds connect(2) as well.
  struct timeval limit = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
  if (milliseconds > 0) setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(handle, (struct sockaddr *)&address, sizeof address) == 0) {
    // What is sent waits for its reader.
    struct timeval none = {0};
    if (milliseconds > 0) setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
    else fcntl(handle, F_SETFL, 0);
    return handle;
  }
  int error = errno;
  close(handle);
  return errno = error, -1;
}

int clinux_pipe_capacity(int descriptor) { return fcntl(descriptor, F_GETPIPE_SZ); }
int clinux_pipe(void *ends) { return pipe2((int *)ends, O_CLOEXEC); }
int clinux_set_nonblocking(int descriptor) { return fcntl(descriptor, F_SETFL, O_NONBLOCK); }

const void *clinux_map_file(int descriptor, size_t *size) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || status.st_size <= 0) return 0;
  *size = (size_t)status.st_size;
  void *address = mmap(0, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
  return address == MAP_FAILED ? 0 : address;
}

void *clinux_map_memory(size_t size) {
  void *address = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? 0 : address;
}

void clinux_release_memory(void *address, size_t size) { madvise(address, size, MADV_DONTNEED); }
void clinux_unmap(const void *address, size_t size) { munmap((void *)address, size); }

void clinux_yield(void) { sched_yield(); }

void clinux_release_program(void) {
  const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
  size_t count = getauxval(AT_PHNUM);
  if (!headers) return;
  uintptr_t base = 0;
  for (size_t i = 0; i < count; i++)
    if (headers[i].p_type == PT_PHDR) base = (uintptr_t)headers - headers[i].p_vaddr;
  for (size_t i = 0; i < count; i++) {
    if (headers[i].p_type != PT_LOAD || (headers[i].p_flags & PF_W)) continue;
    uintptr_t start = (base + headers[i].p_vaddr) & ~(uintptr_t)4095;
    madvise((void *)start, base + headers[i].p_vaddr + headers[i].p_memsz - start, MADV_DONTNEED);
  }
}
