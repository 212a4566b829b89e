#pragma once
// What a service and its `coracle-shim` say to each other: the request with the launch plan in it, the reports
// that come back, the records of a container's log, and the packets of its attach socket. Both sides are
// of one build and one machine, so numbers are in native order; the magic number carries the version.
#include <stdint.h>

#define CLINUX_REQUEST_MAGIC 0x01434F52u

/// The descriptor, besides 0, 1 and 2, that the template of a service's shims is started with: a SOCK_SEQPACKET socket. Each
/// message on it has the descriptors of one shim (SCM_RIGHTS, in the order of `clinux_shim_descriptor` and then the
/// streams of an exec session); the answer, an `int32_t`, is the pid of the shim, or an error number below 0.
#define CLINUX_TEMPLATE_CONTROL 3

/// The descriptors that a shim has, besides 0, 1 and 2.
enum clinux_shim_descriptor {
  /// The request (memfd): `struct clinux_request`, two byte strings (run directory, log), the operations.
  CLINUX_SHIM_REQUEST = 3,
  /// A SOCK_SEQPACKET socket for reports. Closed by the service, it ends an exec session; a container stays. An exec session
  /// stays too when the service has sent what its output is read from (SCM_RIGHTS): a terminal's master, or two pipes.
  CLINUX_SHIM_STATUS = 4,
  /// Exec sessions: the pidfd of the container's first process. For an OCI runtime it comes after those that its caller passes
  /// on to the process, which begin here. Forwarders: the pidfd of the container's shim.
  /// A network's keeper: what its program has as standard output and error.
  CLINUX_SHIM_TARGET = 5,
};

/// Where a forwarder finds the network namespace of its container when it begins, and a network's keeper the one to keep.
#define CLINUX_FORWARDER_NETWORK 0

/// How many descriptors come with the message for a shim.
enum clinux_shim_descriptor_count {
  CLINUX_SHIM_OF_CONTAINER = 2,
  CLINUX_SHIM_OF_EXEC = 6,
  CLINUX_SHIM_OF_FORWARDER = 4,
};

enum clinux_mode {
  CLINUX_MODE_CONTAINER = 1,
  CLINUX_MODE_EXEC = 2,
  /// A container's first process for a caller of an OCI runtime: it has the caller's 0, 1 and 2, and no shim stays with it.
  CLINUX_MODE_RUNTIME = 3,
  /// A further process for such a caller.
  CLINUX_MODE_RUNTIME_EXEC = 4,
  /// The published ports of a container (CLinuxForward.h).
  CLINUX_MODE_FORWARDER = 5,
  /// The network namespace of an ordinary user, with a program as its way to the outside, which the plan's only operation
  /// executes.
  CLINUX_MODE_NETWORK = 6,
  /// A container that nobody has asked for yet: its plan has what is made ahead. Once that is there, it takes the request for
  /// a container (memfd, SCM_RIGHTS) on its status socket, and then is that container's shim.
  CLINUX_MODE_SPARE = 7,
};

/// In the two modes for an OCI runtime the program is executed with the descriptors of a shim, without a template, and
/// clones the process as its own parent's child (CLONE_PARENT). In the first this FIFO of the run directory takes the
/// word for the start.
#define CLINUX_START_FIFO "exec.fifo"

enum clinux_request_flag {
  CLINUX_REQUEST_STDIN_OPEN = 1,
  /// The container goes with the service that started it: it is killed when the status socket is hung up.
  CLINUX_REQUEST_SESSION = 4,
  /// The file `groups` of the run directory names the control groups that the process is to be in.
  CLINUX_REQUEST_GROUPS = 16,
  /// Takes the overlay mount of kernels before 6.8 on newer ones too, for tests.
  CLINUX_REQUEST_OLD_OVERLAY = 2,
  /// The plan opens a terminal: its master comes to the shim, which keeps it. Without STDIN_OPEN no client may write to it.
  CLINUX_REQUEST_TERMINAL = 8,
  /// The log ends with a whole record: the container's last end was its shim's work, and need not be looked for in it.
  CLINUX_REQUEST_LOG_WHOLE = 32,
};

/// Followed by fields, each aligned to 8 bytes: a number is a `uint64_t`; a byte string is its length
/// as a number, the bytes, one NUL, and padding. An operation is a `struct clinux_operation` and its fields.
struct clinux_request {
  uint32_t magic;
  uint32_t mode;
  uint32_t flags;
  uint32_t operation_count;
  uint64_t namespaces;
  /// Of the whole request in bytes.
  uint64_t size;
  /// The size in bytes at which the log is begun anew, 0 for never, and how many parts are kept, with the present one.
  uint64_t log_bytes;
  uint64_t log_files;
  /// For an OCI runtime: how many descriptors of its caller's the process gets, from 3 on; at most CLINUX_PRESERVED_LIMIT.
  uint64_t preserved;
};
#define CLINUX_PRESERVED_LIMIT 64

struct clinux_operation {
  uint32_t code;
  /// Of the fields that follow, in bytes; a multiple of 8.
  uint32_t size;
};

/// The fields of each operation are in the order of the arguments in LaunchPlan.swift; a list is its count and
/// its elements.
enum clinux_operation_code {
  CLINUX_OP_MAKE_MOUNTS_PRIVATE = 1,
  CLINUX_OP_MOUNT_OVERLAY_ROOT,
  CLINUX_OP_BIND_ROOT,
  CLINUX_OP_MOUNT,
  CLINUX_OP_BIND,
  CLINUX_OP_MAKE_DIRECTORY,
  CLINUX_OP_MAKE_NODE,
  CLINUX_OP_MAKE_SYMLINK,
  CLINUX_OP_WRITE_FILE,
  CLINUX_OP_SET_LOOPBACK_UP,
  CLINUX_OP_AWAIT_CREATOR,
  CLINUX_OP_RUN_HOOK,
  CLINUX_OP_FIND_COMMAND,
  CLINUX_OP_AWAIT_RELEASE,
  CLINUX_OP_SET_HOSTNAME,
  CLINUX_OP_SET_DOMAINNAME,
  CLINUX_OP_PIVOT_ROOT,
  CLINUX_OP_REMOUNT_ROOT_READ_ONLY,
  CLINUX_OP_MASK_PATH,
  CLINUX_OP_READ_ONLY_PATH,
  CLINUX_OP_SYSCTL,
  CLINUX_OP_SET_RESOURCE_LIMIT,
  CLINUX_OP_SET_OOM_SCORE_ADJUST,
  CLINUX_OP_SET_UMASK,
  CLINUX_OP_NEW_SESSION,
  CLINUX_OP_SET_GROUPS,
  CLINUX_OP_SET_USER,
  CLINUX_OP_DROP_BOUNDING_CAPABILITIES,
  CLINUX_OP_SET_CAPABILITIES,
  CLINUX_OP_SET_NO_NEW_PRIVILEGES,
  CLINUX_OP_LOAD_SECCOMP,
  CLINUX_OP_CHANGE_DIRECTORY,
  CLINUX_OP_AWAIT_START,
  CLINUX_OP_REAP_ORPHANS,
  CLINUX_OP_EXECUTE,
  /// By the shim, before it clones the container's process; these stand first.
  CLINUX_OP_JOIN_NAMESPACE,
  CLINUX_OP_HOLD,
  CLINUX_OP_BECOME_ROOT,
  CLINUX_OP_MAP_USERS,
  CLINUX_OP_PREPARE_OVERLAY,
  CLINUX_OP_PREPARE_BIND,
  CLINUX_OP_ATTACH_ROOT,
  CLINUX_OP_ATTACH,
  CLINUX_OP_OPEN_TERMINAL,
  CLINUX_OP_AWAIT_GROUPS,
  CLINUX_OP_PROPAGATE_ROOT,
  CLINUX_OP_MAKE_STAGE,
  CLINUX_OP_ENTER_STAGE,
  CLINUX_OP_TAKE_STAGED,
  /// By the shim.
  CLINUX_OP_PREPARE_ROOT,
};

enum clinux_report_kind {
  /// The command was executed: `pid`, `time`.
  CLINUX_REPORT_STARTED = 1,
  /// Operation number `operation` failed in the container's process.
  CLINUX_REPORT_OPERATION_FAILED = 2,
  /// The shim itself failed before any operation.
  CLINUX_REPORT_SHIM_FAILED = 3,
  /// Exec sessions: the command ended with wait status `error`, at `time`.
  CLINUX_REPORT_ENDED = 4,
  /// The process is there: `pid`. So for an OCI runtime, where the shim ends then, and where a network namespace was made with
  /// the user namespace.
  CLINUX_REPORT_CLONED = 5,
  /// OCI runtime: the process waits for a byte, at operation number `operation`.
  CLINUX_REPORT_WAITING = 6,
  /// OCI runtime: all is made; the process waits for the start and reports nothing any more.
  CLINUX_REPORT_CREATED = 7,
  /// A spare takes a request.
  CLINUX_REPORT_READY = 8,
};

/// The system call, or the check, that failed.
enum clinux_step {
  CLINUX_STEP_NONE,
  CLINUX_STEP_REQUEST,
  CLINUX_STEP_PARENT_ALIVE,
  CLINUX_STEP_OPEN,
  CLINUX_STEP_OPENAT2,
  CLINUX_STEP_MKDIR,
  CLINUX_STEP_MKNOD,
  CLINUX_STEP_SYMLINK,
  CLINUX_STEP_UNLINK,
  CLINUX_STEP_WRITE,
  CLINUX_STEP_FSTAT,
  CLINUX_STEP_FSTATFS,
  CLINUX_STEP_MOUNT,
  CLINUX_STEP_FSOPEN,
  CLINUX_STEP_FSCONFIG,
  CLINUX_STEP_FSMOUNT,
  CLINUX_STEP_MOVE_MOUNT,
  CLINUX_STEP_OPEN_TREE,
  CLINUX_STEP_MOUNT_SETATTR,
  CLINUX_STEP_PIVOT_ROOT,
  CLINUX_STEP_UMOUNT,
  CLINUX_STEP_CHDIR,
  CLINUX_STEP_GETCWD,
  CLINUX_STEP_OUTSIDE_ROOT,
  CLINUX_STEP_NOT_NULL_DEVICE,
  CLINUX_STEP_NOT_PROCFS,
  CLINUX_STEP_NOT_DEVPTS,
  CLINUX_STEP_TARGET_IN_PROCFS,
  CLINUX_STEP_USER_NAMESPACE,
  CLINUX_STEP_MOUNT_IDMAP,
  CLINUX_STEP_IOCTL,
  CLINUX_STEP_SETHOSTNAME,
  CLINUX_STEP_SETDOMAINNAME,
  CLINUX_STEP_PRLIMIT,
  CLINUX_STEP_SETSID,
  CLINUX_STEP_SETGROUPS,
  CLINUX_STEP_SETRESGID,
  CLINUX_STEP_SETRESUID,
  CLINUX_STEP_PRCTL,
  CLINUX_STEP_CAPSET,
  CLINUX_STEP_SECCOMP,
  CLINUX_STEP_SETNS,
  CLINUX_STEP_CLONE,
  CLINUX_STEP_PIPE,
  CLINUX_STEP_SOCKET,
  CLINUX_STEP_LOCK,
  CLINUX_STEP_RENAME,
  CLINUX_STEP_DUP,
  CLINUX_STEP_SIGNAL,
  CLINUX_STEP_AWAIT_START,
  CLINUX_STEP_FORK,
  CLINUX_STEP_EXECVE,
  CLINUX_STEP_FIND_COMMAND,
  CLINUX_STEP_HOOK,
  CLINUX_STEP_JOIN_GROUP,
  CLINUX_STEP_UNSHARE,
  CLINUX_STEP_CHROOT,
};

struct clinux_report {
  uint32_t kind;
  int32_t pid;
  /// Since 1970, in ns.
  uint64_t time;
  uint32_t operation;
  int32_t error;
  uint32_t step;
  /// Bytes of `text`, the kernel's own explanation where it gives one (fsopen's message log).
  uint32_t text_length;
  char text[224];
};

enum clinux_log_stream {
  /// The payload is a `uint64_t`: bytes of output that could not be written (full disk) and are lost here.
  CLINUX_LOG_LOST = 0,
  CLINUX_LOG_STDOUT = 1,
  CLINUX_LOG_STDERR = 2,
  /// The first record of a part that others were before: the payload is a `uint64_t`, their bytes in all.
  CLINUX_LOG_START = 3,
};

/// Of the log; `length` bytes follow.
struct clinux_log_record {
  uint64_t time;
  uint8_t stream;
  uint8_t zero[3];
  uint32_t length;
};

/// The longest payload of a log record in bytes.
#define CLINUX_LOG_PAYLOAD 65536

/// The first byte of a packet on the attach socket (SOCK_SEQPACKET).
enum clinux_attach_packet {
  /// The rest of the packet, at most CLINUX_ATTACH_PAYLOAD bytes, goes to standard input.
  CLINUX_ATTACH_INPUT = 1,
  /// Standard input ends after what was sent before.
  CLINUX_ATTACH_END = 2,
  /// The terminal's new size, as two `uint16_t`: rows and columns.
  CLINUX_ATTACH_RESIZE = 3,
};
#define CLINUX_ATTACH_PAYLOAD 16384

/// The name of a `clinux_step` as a failed call is called in a message, such as `move_mount`.
const char *_Nonnull clinux_step_name(uint32_t step);
