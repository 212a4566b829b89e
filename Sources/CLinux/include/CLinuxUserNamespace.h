#pragma once
#include <stdint.h>
// User namespaces. All but the last call are for a process with one thread.

/// Moves this process into a new user namespace (unshare(2) with CLONE_NEWUSER). A child that stays outside then runs
/// the two programs, which write its user and group maps: the kernel takes such maps only from outside. Each list
/// begins with the program's path and ends with null.
/// Answers 0; -1 and errno when there is no new namespace; 1 or 2 when the first or the second program failed.
int clinux_unshare_user(
  const char *_Nonnull const *_Nonnull map_users, const char *_Nonnull const *_Nonnull map_groups);

/// Joins the user namespace that an open /proc/PID/ns/user names (setns(2)); -1 and errno on failure.
int clinux_join_user(int descriptor);

/// A new user namespace with these maps, as /proc/PID/uid_map takes them, and nobody in it: its descriptor, close-on-exec; -1
/// and errno on failure. For a process that may give those ids away, or, with /usr/bin/newuidmap and newgidmap, whose user has
/// them. Where `network` is not null it gets the descriptor of a new network namespace, which the user namespace owns.
int clinux_new_user_namespace(const char *_Nonnull users, const char *_Nonnull groups, int *_Nullable network);

/// The calling thread makes files as this user and group from now on, with all capabilities that it has (setfsuid(2),
/// capset(2)).
int clinux_act_as(uint32_t user, uint32_t group);
