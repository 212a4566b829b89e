import LinuxSystem
import SystemPackage

/// A place in the layer's tree that moves from directory to directory. Used by one thread.
final class DirectoryPlace {
  private var stack: DirectoryStack

  /// - Parameter root: stays open as long as this is used.
  init(_ root: FileDescriptor) { stack = DirectoryStack(root: root, readable: false) }

  var depth: Int { stack.depth }
  /// From the root, without a slash in front.
  var path: [UInt8] { stack.currentPath }

  func component(_ level: Int, is bytes: ArraySlice<UInt8>) -> Bool { stack.component(level, is: bytes) }
  func enter(_ component: ArraySlice<UInt8>) throws(SystemError) { try stack.enter(component) }
  func leave(to depth: Int) { stack.leave(to: depth) }
  func descriptor() throws(SystemError) -> FileDescriptor { try stack.descriptor() }

  /// Goes to a directory that is there, following nothing.
  func walk(_ components: ArraySlice<ArraySlice<UInt8>>) throws(SystemError) -> FileDescriptor {
    var level = 0
    for component in components {
      if !stack.component(level, is: component) {
        stack.leave(to: level)
        try stack.enter(component)
      }
      level += 1
    }
    stack.leave(to: level)
    return try stack.descriptor()
  }
}
