#define _GNU_SOURCE
#include "CLinuxTerminal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int clinux_is_devpts(int descriptor) {
  struct statfs status;
  if (fstatfs(descriptor, &status) != 0) return -1;
  return status.f_type == DEVPTS_SUPER_MAGIC;
}

int clinux_open_master(int pts) {
  // devpts itself has no links; NOFOLLOW is for what may be mounted on the name.
  int master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
  if (master < 0) return -1;
  int unlocked = 0;
  if (ioctl(master, TIOCSPTLCK, &unlocked) == 0) return master;
  int error = errno;
  close(master);
  return errno = error, -1;
}

int clinux_open_slave(int master) { return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); }

int clinux_take_terminal(int slave) { return ioctl(slave, TIOCSCTTY, 0); }

int clinux_take_foreground(int terminal) {
  if (setpgid(0, 0) != 0) return -1;
  return tcsetpgrp(terminal, getpid());
}

int clinux_set_terminal_size(int terminal, uint32_t rows, uint32_t columns) {
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  return ioctl(terminal, TIOCSWINSZ, &size);
}

int clinux_end_character(int terminal, int *is_canonical) {
  struct termios settings;
  if (tcgetattr(terminal, &settings) != 0) return -1;
  *is_canonical = (settings.c_lflag & ICANON) != 0;
  return settings.c_cc[VEOF] == _POSIX_VDISABLE ? -1 : settings.c_cc[VEOF];
}

int clinux_give_terminal(int terminal, uint32_t user) { return fchown(terminal, user, (gid_t)-1); }
