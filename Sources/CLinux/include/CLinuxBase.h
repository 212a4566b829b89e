#pragma once
// No feature macro such as _GNU_SOURCE is set here: it would change the C library's types under Swift's
// other modules. What needs one is declared here and defined in a .c file that sets it.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/// The calling thread's errno; Swift sees errno as a macro and cannot import it.
static inline int clinux_errno(void) { return errno; }
