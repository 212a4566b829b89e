import Glibc
import RPCModel

/// What a system call of this program failed with, as the service would say it.
///
/// - Parameters:
///   - message: the operation and its object.
///   - error: errno.
func systemFailure(_ message: String, _ error: CInt, subject: String? = nil) -> RPCError {
  let (kind, hint): (ErrorKind, String) =
    switch error {
    case ENOENT: (.notFound, "look whether the path is written right: it is one of this machine")
    case EACCES, EPERM: (.permissionDenied, "look at the owner and the mode of the file and its directories")
    case EROFS: (.permissionDenied, "name a place that is not mounted read-only")
    case ENOSPC, EDQUOT: (.noSpace, "free some space, or name a file on another disk")
    case EISDIR, ENOTDIR, ELOOP, ENAMETOOLONG, EEXIST: (.invalidArgument, "give the path of a file")
    case EFBIG: (.noSpace, "raise the limit of a file's size (ulimit -f), or name a file on another disk")
    case EPIPE: (.unreachable, "whoever read it has ended: look what they say")
    case EMFILE, ENFILE: (.noSpace, "raise the limit of open files (ulimit -n)")
    default: (.internal, "look whether the disk is sound (dmesg)")
    }
  return RPCError(kind, message, subject: subject, causes: [String(cString: strerror(error))], hint: hint)
}
