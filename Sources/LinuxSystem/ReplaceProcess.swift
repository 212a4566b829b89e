import CLinux
import Glibc
package import SystemPackage

/// Becomes another program (execv(2)), with this process's environment and open files.
///
/// - Throws: when it is still this program.
package func replaceProcess(_ program: FilePath, arguments: [String]) throws(SystemError) -> Never {
  _ = withCStrings(arguments) { clinux_execv(program.string, $0) }
  throw SystemError("execv", Errno(rawValue: clinuxErrno()), on: program.string)
}
