import CLinux
package import SystemPackage

/// A file in memory without a name (memfd_create(2)).
package func memoryFile(_ name: String) throws(SystemError) -> FileDescriptor {
  FileDescriptor(rawValue: try call("memfd_create", on: name) { clinux_memfd(name, 0) })
}
