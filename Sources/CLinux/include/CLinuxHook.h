#pragma once
// Hooks of an OCI configuration: small programs that get the container's state on their standard input.
#include <stddef.h>

/// Runs a program to its end with `size` bytes of `input` as its standard input and the caller's standard error as its
/// output. One that takes longer than `milliseconds` (-1: any time) is killed, with its process group. Only for a
/// single-threaded process whose other descriptors are close-on-exec.
///
/// Answers 0 and the wait status; -1 with errno if it could not be started, or ETIMEDOUT.
int clinux_run_hook(
  const char *_Nonnull path, const char *_Nullable const *_Nonnull arguments,
  const char *_Nullable const *_Nonnull environment, const char *_Nonnull input, size_t size, int milliseconds,
  int *_Nonnull wait_status);
