#pragma once
// Pseudo-terminals (pty(7), tty_ioctl(4)). Each call answers -1 and sets errno on failure; descriptors are close-on-exec, never
// become a controlling terminal by being opened, and are the caller's.
#include <stdint.h>

/// Whether the descriptor is of a devpts (fstatfs(2), DEVPTS_SUPER_MAGIC); -1 on failure.
int clinux_is_devpts(int descriptor);
/// The master of a new, unlocked terminal of the devpts that `pts` is the root directory of (TIOCSPTLCK).
int clinux_open_master(int pts);
/// The slave of a master, without looking at any name (TIOCGPTPEER).
int clinux_open_slave(int master);
/// Makes a slave the calling session leader's controlling terminal (TIOCSCTTY).
int clinux_take_terminal(int slave);
/// Makes the calling process lead a process group of its own that has the foreground (setpgid(2), tcsetpgrp(3)). SIGTTOU has
/// to be blocked.
int clinux_take_foreground(int terminal);
/// TIOCSWINSZ: the foreground process group gets SIGWINCH where the size is another than before.
int clinux_set_terminal_size(int terminal, uint32_t rows, uint32_t columns);
/// The end-of-file character of a terminal, or -1 where it has none; `is_canonical` says whether it takes input by lines.
int clinux_end_character(int terminal, int *_Nonnull is_canonical);
/// fchown(2) of a terminal to a user; its group, which may write to it, stays.
int clinux_give_terminal(int terminal, uint32_t user);
