#define _GNU_SOURCE
#include "CLinuxForward.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int close_failed(int handle) {
  int error = errno;
  close(handle);
  return errno = error, -1;
}

union one_descriptor {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

int clinux_send_forward(int socket, const struct clinux_forward *packet, int descriptor) {
  struct iovec part = {.iov_base = (void *)packet, .iov_len = sizeof *packet};
  union one_descriptor control = {0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptor >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -1 : 0;
}

ssize_t clinux_receive_forward(int socket, struct clinux_forward *packet, int *descriptor) {
  struct iovec part = {.iov_base = packet, .iov_len = sizeof *packet};
  union one_descriptor control = {0};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  *descriptor = -1;
  ssize_t received;
  do received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received <= 0) return received;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS
      && header->cmsg_len == CMSG_LEN(sizeof(int)))
    memcpy(descriptor, CMSG_DATA(header), sizeof(int));
  return received;
}

static int is_mapped(const uint8_t *address) {
  static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return memcmp(address, prefix, sizeof prefix) == 0;
}

static int socket_type(uint32_t protocol) {
  return (protocol == CLINUX_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
}

/// With `both` also the other family's address of none in particular.
static int open_port(int family, int both, uint32_t protocol, const uint8_t *address, uint16_t *port) {
  int handle = socket(family, socket_type(protocol), 0);
  if (handle < 0) return -1;
  int one = 1, only = !both;
  // A port whose last connections still linger is free; one that somebody listens on is not.
  if (protocol == CLINUX_TCP) setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  // Where an answer has to come from: the machine may have several addresses.
  if (protocol == CLINUX_UDP && family == AF_INET) setsockopt(handle, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
  if (protocol == CLINUX_UDP && family == AF_INET6)
    setsockopt(handle, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
  struct sockaddr_in6 wide = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
  struct sockaddr_in narrow = {.sin_family = AF_INET, .sin_port = htons(*port)};
  memcpy(&wide.sin6_addr, address, 16);
  memcpy(&narrow.sin_addr, address + 12, 4);
  int result;
  if (family == AF_INET6) {
    if (setsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) return close_failed(handle);
    result = bind(handle, (struct sockaddr *)&wide, sizeof wide);
  } else {
    result = bind(handle, (struct sockaddr *)&narrow, sizeof narrow);
  }
  if (result != 0) return close_failed(handle);
  if (protocol == CLINUX_TCP && listen(handle, 512) != 0) return close_failed(handle);
  socklen_t length = sizeof wide;
  if (getsockname(handle, (struct sockaddr *)&wide, &length) != 0) return close_failed(handle);
  // At the same place in both families.
  *port = ntohs(wide.sin6_port);
  return handle;
}

int clinux_open_port(uint32_t protocol, const uint8_t *address, uint16_t *port) {
  static const uint8_t any[16] = {0};
  if (memcmp(address, any, sizeof any) != 0)
    return open_port(is_mapped(address) ? AF_INET : AF_INET6, 0, protocol, address, port);
  int handle = open_port(AF_INET6, 1, protocol, address, port);
  if (handle >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) return handle;
  return open_port(AF_INET, 0, protocol, address, port);
}

static void take_address(const struct nlmsghdr *header, struct clinux_own_addresses *addresses) {
  const struct ifaddrmsg *message = NLMSG_DATA(header);
  int is_wide = message->ifa_family == AF_INET6;
  uint32_t *interface = is_wide ? &addresses->v6_interface : &addresses->v4_interface;
  if (message->ifa_scope != RT_SCOPE_UNIVERSE || (*interface && *interface <= message->ifa_index)) return;
  int left = (int)IFA_PAYLOAD(header);
  for (struct rtattr *part = IFA_RTA(message); RTA_OK(part, left); part = RTA_NEXT(part, left)) {
    if (is_wide && part->rta_type == IFA_ADDRESS && RTA_PAYLOAD(part) == 16)
      memcpy(addresses->v6, RTA_DATA(part), 16);
    else if (!is_wide && part->rta_type == IFA_LOCAL && RTA_PAYLOAD(part) == 4)
      memcpy(addresses->v4, RTA_DATA(part), 4);
    else continue;
    *interface = message->ifa_index;
  }
}

int clinux_find_own_addresses(struct clinux_own_addresses *addresses) {
  memset(addresses, 0, sizeof *addresses);
  int handle = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (handle < 0) return -1;
  struct {
    struct nlmsghdr header;
    struct ifaddrmsg message;
  } request = {
    .header = {
      .nlmsg_len = sizeof request, .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
  if (send(handle, &request, sizeof request, 0) < 0) return close_failed(handle);
  _Alignas(struct nlmsghdr) char buffer[8192];
  for (;;) {
    ssize_t count = recv(handle, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return close_failed(handle);
    int left = (int)count;
    for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, (unsigned)left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) return close(handle), 0;
      if (header->nlmsg_type == RTM_NEWADDR) take_address(header, addresses);
    }
  }
}

int clinux_connect_port(uint32_t protocol, const uint8_t *address, size_t length, uint16_t port) {
  int handle = socket(length == 4 ? AF_INET : AF_INET6, socket_type(protocol), 0);
  if (handle < 0) return -1;
  struct sockaddr_in6 wide = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in narrow = {.sin_family = AF_INET, .sin_port = htons(port)};
  int result;
  if (length == 4) {
    memcpy(&narrow.sin_addr, address, 4);
    result = connect(handle, (struct sockaddr *)&narrow, sizeof narrow);
  } else {
    memcpy(&wide.sin6_addr, address, 16);
    result = connect(handle, (struct sockaddr *)&wide, sizeof wide);
  }
  return result == 0 || errno == EINPROGRESS ? handle : close_failed(handle);
}

// Of connections whose peers are not here, and of the routes that bring the answers back.
enum { stranger_mark = 0x0c07ac1e, stranger_table = 0x0c07, stranger_priority = 100 };

static int ask_for_route(int handle, void *request, size_t size) {
  struct nlmsghdr *header = request;
  header->nlmsg_len = (uint32_t)size;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  if (send(handle, request, size, 0) < 0) return -1;
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
    char rest[512];
  } answer;
  if (recv(handle, &answer, sizeof answer, 0) < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr))) return -1;
  if (answer.error.error == 0 || answer.error.error == -EEXIST) return 0;
  return errno = -answer.error.error, -1;
}

struct number_attribute {
  struct rtattr header;
  uint32_t value;
};

static struct number_attribute number_attribute(uint16_t type, uint32_t value) {
  return (struct number_attribute){{sizeof(struct number_attribute), type}, value};
}

static int return_answers_of(int handle, uint8_t family) {
  struct {
    struct nlmsghdr header;
    struct fib_rule_hdr rule;
    struct number_attribute mark, table, priority;
  } rule = {
    .header.nlmsg_type = RTM_NEWRULE, .rule = {.family = family, .action = FR_ACT_TO_TBL},
    .mark = number_attribute(FRA_FWMARK, stranger_mark), .table = number_attribute(FRA_TABLE, stranger_table),
    .priority = number_attribute(FRA_PRIORITY, stranger_priority)};
  // The loopback interface is the first of every network.
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    struct number_attribute table, interface;
  } route = {
    .header.nlmsg_type = RTM_NEWROUTE,
    .route = {.rtm_family = family, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL},
    .table = number_attribute(RTA_TABLE, stranger_table), .interface = number_attribute(RTA_OIF, 1)};
  if (ask_for_route(handle, &route, sizeof route) != 0) return -1;
  return ask_for_route(handle, &rule, sizeof rule);
}

int clinux_return_answers(void) {
  int setting = open("/proc/sys/net/ipv4/tcp_fwmark_accept", O_WRONLY | O_CLOEXEC);
  if (setting < 0) return -1;
  if (write(setting, "1", 1) != 1) return close_failed(setting);
  close(setting);
  int handle = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (handle < 0) return -1;
  if (return_answers_of(handle, AF_INET) != 0) return close_failed(handle);
  // A network without IPv6 has nobody to answer there.
  (void)return_answers_of(handle, AF_INET6);
  return close(handle);
}

static int is_elsewhere(const struct in6_addr *address) {
  if (IN6_IS_ADDR_V4MAPPED(address)) return address->s6_addr[12] != 127;
  return !IN6_IS_ADDR_LOOPBACK(address) && !IN6_IS_ADDR_LINKLOCAL(address);
}

static int connect_from(int handle, const struct sockaddr *source, const struct sockaddr *target, socklen_t size) {
  int one = 1, mark = stranger_mark;
  // Also where an earlier connection from there lingers.
  setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (setsockopt(handle, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) return -1;
  if (source->sa_family == AF_INET
        ? setsockopt(handle, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof one)
        : setsockopt(handle, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof one)) return -1;
  if (bind(handle, source, size) != 0) return -1;
  return connect(handle, target, size) == 0 || errno == EINPROGRESS ? 0 : -1;
}

int clinux_connect_as(int client, const uint8_t *address, size_t length, uint16_t port) {
  struct sockaddr_in6 peer = {0};
  socklen_t size = sizeof peer;
  if (getpeername(client, (struct sockaddr *)&peer, &size) != 0) return -1;
  if (peer.sin6_family == AF_INET) {
    uint32_t narrow = ((struct sockaddr_in *)&peer)->sin_addr.s_addr;
    peer.sin6_addr = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(peer.sin6_addr.s6_addr + 12, &narrow, 4);
  }
  if (!is_elsewhere(&peer.sin6_addr) || !IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr) == (length == 4))
    return errno = EADDRNOTAVAIL, -1;
  // Its port, or any.
  for (int attempt = 0; attempt < 2; attempt++) {
    int handle = socket(length == 4 ? AF_INET : AF_INET6, socket_type(CLINUX_TCP), 0);
    if (handle < 0) return -1;
    in_port_t own = attempt == 0 ? peer.sin6_port : 0;
    int result;
    if (length == 4) {
      struct sockaddr_in source = {.sin_family = AF_INET, .sin_port = own};
      struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port)};
      memcpy(&source.sin_addr, peer.sin6_addr.s6_addr + 12, 4);
      memcpy(&target.sin_addr, address, 4);
      result = connect_from(handle, (struct sockaddr *)&source, (struct sockaddr *)&target, sizeof source);
    } else {
      struct sockaddr_in6 source = {.sin6_family = AF_INET6, .sin6_port = own, .sin6_addr = peer.sin6_addr};
      struct sockaddr_in6 target = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
      memcpy(&target.sin6_addr, address, 16);
      result = connect_from(handle, (struct sockaddr *)&source, (struct sockaddr *)&target, sizeof source);
    }
    if (result == 0) return handle;
    close_failed(handle);
    if (errno != EADDRINUSE && errno != EADDRNOTAVAIL) return -1;
  }
  return -1;
}

int clinux_socket_error(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void clinux_tune_stream(int socket) {
  int one = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

void clinux_reset_stream(int socket) {
  struct linger at_once = {.l_onoff = 1};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(socket);
}

void clinux_end_stream(int socket) { shutdown(socket, SHUT_WR); }

int clinux_has_unsent(int socket) {
  int count = 0;
  return ioctl(socket, SIOCOUTQ, &count) == 0 && count > 0;
}

ssize_t clinux_splice(int from, int to, size_t count) {
  return splice(from, 0, to, 0, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

int clinux_splice_pipe(void *ends, int capacity) {
  if (pipe2((int *)ends, O_CLOEXEC | O_NONBLOCK) != 0) return -1;
  // A user has so much memory for pipes; without it they work, too.
  (void)fcntl(((int *)ends)[1], F_SETPIPE_SZ, capacity);
  return 0;
}

union packet_information {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

enum { local_v4 = 1, local_v6 = 2 };

ssize_t clinux_receive_datagram(int socket, void *bytes, size_t size, struct clinux_peer *peer) {
  struct iovec part = {.iov_base = bytes, .iov_len = size};
  union packet_information control = {0};
  memset(peer, 0, sizeof *peer);
  struct msghdr message = {
    .msg_name = peer->name, .msg_namelen = sizeof peer->name, .msg_iov = &part, .msg_iovlen = 1,
    .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t received;
  do received = recvmsg(socket, &message, MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  if (received < 0) return -1;
  peer->name_length = message.msg_namelen;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(header), sizeof info);
    // The address that it came to, as the one that the answer goes from; routing chooses the way.
    struct in_pktinfo answer = {.ipi_spec_dst = info.ipi_spec_dst};
    memcpy(peer->local, &answer, sizeof answer);
    peer->local_kind = local_v4;
  } else if (header && header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(header), sizeof info);
    if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
    if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) {
      memcpy(peer->local, &info, sizeof info);
      peer->local_kind = local_v6;
    }
  }
  return received;
}

ssize_t clinux_send_datagram(int socket, const void *bytes, size_t count, const struct clinux_peer *peer) {
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
  union packet_information control = {0};
  struct msghdr message = {
    .msg_name = (void *)peer->name, .msg_namelen = peer->name_length, .msg_iov = &part, .msg_iovlen = 1};
  if (peer->local_kind) {
    size_t size = peer->local_kind == local_v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = peer->local_kind == local_v4 ? IPPROTO_IP : IPPROTO_IPV6;
    header->cmsg_type = peer->local_kind == local_v4 ? IP_PKTINFO : IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), peer->local, size);
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent;
}

int clinux_epoll_set(int epoll, int descriptor, uint64_t token, uint32_t wait_for, int is_known) {
  struct epoll_event event = {.events = wait_for, .data.u64 = token};
  return epoll_ctl(epoll, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, &event);
}

int clinux_epoll_wait_for(int epoll, uint64_t *tokens, int limit, int milliseconds) {
  struct epoll_event events[32];
  if (limit > 32) limit = 32;
  int count = epoll_wait(epoll, events, limit, milliseconds);
  for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
  return count;
}

uint32_t clinux_uptime(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint32_t)time.tv_sec;
}

uint64_t clinux_open_file_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

_Static_assert((int)CLINUX_WAIT_INPUT == (int)EPOLLIN && (int)CLINUX_WAIT_OUTPUT == (int)EPOLLOUT, "epoll's own numbers");
_Static_assert((int)CLINUX_TCP == (int)IPPROTO_TCP && (int)CLINUX_UDP == (int)IPPROTO_UDP, "the protocols' own numbers");
_Static_assert(sizeof(struct sockaddr_in6) == 28 && sizeof(struct in6_pktinfo) == 20, "what a peer holds");
