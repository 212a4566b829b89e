import Glibc

/// How many processors of the machine are online now (sysconf(3), _SC_NPROCESSORS_ONLN); at least 1.
package func onlineProcessors() -> Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
