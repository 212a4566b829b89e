#pragma once
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stddef.h>

/// A netlink socket of this protocol, close-on-exec, in the calling thread's network namespace, whose refusals come with the
/// kernel's words (NETLINK_EXT_ACK); -1 and errno on failure.
int clinux_netlink_socket(int protocol);

/// Sends all of a message to the kernel; -1 and errno on failure.
int clinux_netlink_send(int socket, const void *_Nonnull bytes, size_t count);

/// Receives one datagram of the kernel's. Answers its size, which is more than `capacity` where it was cut; -1 and errno on
/// failure.
ptrdiff_t clinux_netlink_receive(int socket, void *_Nonnull buffer, size_t capacity);
