// The floor of a container's life: the kernel's own share and nothing else. One process clones another
// into new mount, pid, net, uts, ipc and cgroup namespaces; that one mounts an overlay, proc, sysfs, a tmpfs
// with device nodes, devpts, shm and mqueue, pivots, and executes a command; the first waits for its end.
// `bench/measures/run.py` says how it is compared.
//
//   floor ROUNDS LOWER SCRATCH COMMAND...
//
// Prints one line a round: microseconds to the exec, and to the end.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char upper[4096], work[4096];

static void check(long result, const char *what) {
  if (result < 0) {
    dprintf(2, "floor: %s: %s\n", what, strerror(errno));
    _exit(125);
  }
}

static int filesystem(const char *type, const char *options[][2], unsigned attributes) {
  int context = syscall(SYS_fsopen, type, 1);
  check(context, type);
  for (; options && (*options)[0]; options++)
    check(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, (*options)[0], (*options)[1], 0), (*options)[0]);
  check(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0), type);
  int mount = syscall(SYS_fsmount, context, 1, attributes);
  check(mount, type);
  close(context);
  return mount;
}

static void attach(int mount, int directory, const char *target) {
  check(syscall(SYS_move_mount, mount, "", directory, target, MOVE_MOUNT_F_EMPTY_PATH), target);
  close(mount);
}

static void enter(const char *lower) {
  check(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0), "private");
  int root = filesystem("overlay", (const char *[][2]){{"source", "overlay"}, {"lowerdir", lower}, {"upperdir", upper}, {"workdir", work}, {0}}, 0);
  check(syscall(SYS_move_mount, root, "", AT_FDCWD, upper, MOVE_MOUNT_F_EMPTY_PATH), "root");
  umask(0);
  attach(filesystem("proc", 0, 14), root, "proc");
  int dev = filesystem("tmpfs", (const char *[][2]){{"mode", "755"}, {"size", "65536k"}, {0}}, 2);
  check(syscall(SYS_move_mount, dev, "", root, "dev", MOVE_MOUNT_F_EMPTY_PATH), "dev");
  static const struct { const char *name; int minor; } nodes[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};
  for (int i = 0; i < 5; i++) check(mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(1, nodes[i].minor)), nodes[i].name);
  check(mknodat(dev, "tty", S_IFCHR | 0666, makedev(5, 0)), "tty");
  mkdirat(dev, "pts", 0755), mkdirat(dev, "shm", 0755), mkdirat(dev, "mqueue", 0755);
  symlinkat("/proc/self/fd", dev, "fd"), symlinkat("pts/ptmx", dev, "ptmx");
  symlinkat("/proc/self/fd/0", dev, "stdin"), symlinkat("/proc/self/fd/1", dev, "stdout"), symlinkat("/proc/self/fd/2", dev, "stderr");
  attach(filesystem("devpts", (const char *[][2]){{"newinstance", 0}, {0}} + 1, 10), dev, "pts");
  attach(filesystem("tmpfs", (const char *[][2]){{"mode", "1777"}, {"size", "65536k"}, {0}}, 14), dev, "shm");
  attach(filesystem("mqueue", 0, 14), dev, "mqueue");
  attach(filesystem("sysfs", 0, 15), root, "sys");
  check(sethostname("floor", 5), "hostname");
  check(fchdir(root), "root");
  check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  check(umount2(".", MNT_DETACH), "detach");
  check(chdir("/"), "cwd");
  umask(022);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **arguments) {
  if (count < 5) return 2;
  int rounds = atoi(arguments[1]);
  for (int round = 0; round < rounds; round++) {
    snprintf(upper, sizeof upper, "%s/%d.upper", arguments[3], round);
    snprintf(work, sizeof work, "%s/%d.work", arguments[3], round);
    mkdir(upper, 0755), mkdir(work, 0755);
    int64_t start = now();
    int executed[2], pidfd = -1;
    check(pipe2(executed, O_CLOEXEC), "pipe");
    struct clone_args clone = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_PIDFD,
                               .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &clone, sizeof clone);
    check(child, "clone3");
    if (child == 0) {
      enter(arguments[2]);
      execve(arguments[4], arguments + 4, (char *[]){"PATH=/bin", 0});
      check(-1, "execve");
    }
    close(executed[1]);
    char byte;
    read(executed[0], &byte, 1);
    int64_t ran = now();
    int status;
    waitpid(child, &status, 0);
    int64_t end = now();
    close(executed[0]), close(pidfd);
    printf("%lld %lld\n", (long long)(ran - start) / 1000, (long long)(end - start) / 1000);
    if (status) return 1;
  }
}
