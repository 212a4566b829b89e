#define _GNU_SOURCE
#include "CLinuxNetlink.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_netlink_socket(int protocol) {
  int handle = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (handle < 0) return -1;
  int on = 1;
  // Older kernels have no words; their numbers do.
  (void)setsockopt(handle, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  return handle;
}

int clinux_netlink_send(int handle, const void *bytes, size_t count) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  return sendto(handle, bytes, count, 0, (struct sockaddr *)&kernel, sizeof kernel) == (ssize_t)count ? 0 : -1;
}

ptrdiff_t clinux_netlink_receive(int handle, void *buffer, size_t capacity) {
  struct sockaddr_nl from;
  while (1) {
    socklen_t size = sizeof from;
    memset(&from, 0, sizeof from);
    ssize_t count = recvfrom(handle, buffer, capacity, MSG_TRUNC, (struct sockaddr *)&from, &size);
    // Any process may send to the socket; only the kernel is listened to.
    if (count < 0 || from.nl_pid == 0) return count;
  }
}
