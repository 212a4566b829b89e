#pragma once
// The device program of a cgroup (bpf(2)).
#include <stdint.h>

/// Loads a BPF_PROG_TYPE_CGROUP_DEVICE program of `count` instructions (`struct bpf_insn`) and attaches it to the cgroup that is
/// open as `group`, beside those of the groups above it. It stays as long as the group. Answers 0, or -1 and errno.
int clinux_attach_device_program(int group, const uint64_t *_Nonnull instructions, uint32_t count);
