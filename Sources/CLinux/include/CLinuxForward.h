#pragma once
// Published ports: what a service says to a container's forwarder, and the socket calls of both. Each call answers -1 and sets
// errno on failure; descriptors are close-on-exec, non-blocking and the caller's.
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum clinux_forward_kind {
  /// The packet carries a socket that listens, or a bound one of UDP.
  CLINUX_FORWARD_ADD = 1,
  CLINUX_FORWARD_REMOVE = 2,
};

enum clinux_protocol {
  CLINUX_TCP = 6,
  CLINUX_UDP = 17,
};

/// A packet to a forwarder, on its status socket or on `ports.sock` of the run directory (SOCK_SEQPACKET). The answer is an
/// `int32_t`: 0 or an error number.
struct clinux_forward {
  uint32_t kind;
  uint32_t protocol;
  uint16_t host_port;
  uint16_t container_port;
  uint32_t zero;
  /// Of IPv6, or of IPv4 mapped to it; zeros for all addresses.
  uint8_t host_address[16];
};

int clinux_send_forward(int socket, const struct clinux_forward *_Nonnull packet, int descriptor);
/// The next packet, without waiting: its size, 0 at the end. `descriptor` is -1 where it has none.
ssize_t clinux_receive_forward(int socket, struct clinux_forward *_Nonnull packet, int *_Nonnull descriptor);

/// A socket on a port of the caller's network: listening for TCP, bound for UDP. Zeros are all addresses of both families,
/// or of IPv4 where the machine has no IPv6. With port 0 the kernel takes a free one, which comes back in `port`.
int clinux_open_port(
  uint32_t protocol, const uint8_t *_Nonnull address, uint16_t *_Nonnull port);

/// The caller's first addresses that are not only its own machine's or link's, of the interface that was there first.
struct clinux_own_addresses {
  uint8_t v4[4];
  uint8_t v6[16];
  /// The interface's index; 0 without such an address.
  uint32_t v4_interface;
  uint32_t v6_interface;
};
int clinux_find_own_addresses(struct clinux_own_addresses *_Nonnull addresses);

/// Lets the caller's network bring what is sent back to addresses that are not its own: who accepts a connection that
/// `clinux_connect_as` has made answers on the loopback interface (net.ipv4.tcp_fwmark_accept, rtnetlink(7)). Needs
/// CAP_NET_ADMIN there. Done again it is fine.
int clinux_return_answers(void);

/// A socket that connects with the address of `client`'s peer, and its port where that is free, in place of an own one. It must be
/// of the same family, and be neither the machine's own nor the link's. Needs CAP_NET_RAW.
int clinux_connect_as(int client, const uint8_t *_Nonnull address, size_t length, uint16_t port);

/// A socket that is connected, or connects still, to an address of 4 or 16 bytes.
int clinux_connect_port(uint32_t protocol, const uint8_t *_Nonnull address, size_t length, uint16_t port);
/// SO_ERROR: 0, or why connecting failed.
int clinux_socket_error(int socket);
/// TCP_NODELAY and SO_KEEPALIVE.
void clinux_tune_stream(int socket);
/// Closes it so that the other side sees a reset.
void clinux_reset_stream(int socket);
/// shutdown(2) of writing.
void clinux_end_stream(int socket);
/// Whether the other side has not confirmed all that was sent (SIOCOUTQ).
int clinux_has_unsent(int socket);
/// splice(2), without waiting.
ssize_t clinux_splice(int from, int to, size_t count);
/// A non-blocking pipe of this capacity, or of the standard one where that is too much.
int clinux_splice_pipe(void *_Nonnull ends, int capacity);

/// Whom a datagram came from, and the address of this machine that it came to.
struct clinux_peer {
  uint8_t name[28];
  uint32_t name_length;
  uint8_t local[20];
  uint32_t local_kind;
};
ssize_t clinux_receive_datagram(
  int socket, void *_Nonnull bytes, size_t size, struct clinux_peer *_Nonnull peer);
ssize_t clinux_send_datagram(
  int socket, const void *_Nonnull bytes, size_t count, const struct clinux_peer *_Nonnull peer);

enum clinux_wait_for {
  CLINUX_WAIT_INPUT = 1,
  CLINUX_WAIT_OUTPUT = 4,
};
/// Waits for these on a descriptor under `token`, until it is told otherwise; with `is_known` it has been told before.
int clinux_epoll_set(int epoll, int descriptor, uint64_t token, uint32_t wait_for, int is_known);
/// Waits at most this long, -1 for any time, for up to `limit` tokens, at most 32.
int clinux_epoll_wait_for(int epoll, uint64_t *_Nonnull tokens, int limit, int milliseconds);

/// Seconds since the machine started.
uint32_t clinux_uptime(void);
/// The soft limit of RLIMIT_NOFILE.
uint64_t clinux_open_file_limit(void);
