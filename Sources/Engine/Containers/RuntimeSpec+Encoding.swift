import OCIModel
import Runner

extension RuntimeSpec {
  /// As JSON. Most of it is the seccomp profile, which is the same for nearly all containers: that one is encoded once.
  func encoded() throws -> [UInt8] {
    guard let seccomp = linux?.seccomp, seccomp == .default else { return try Engine.encode(self) }
    var short = self
    short.linux?.seccomp = Self.placeholder
    let bytes = try Engine.encode(short)
    // With the quotes in it, it is in no text of JSON's.
    guard let place = bytes.firstRange(of: try Self.encodedPlaceholder.get()) else {
      return try Engine.encode(self)
    }
    return try Array(bytes[..<place.lowerBound]) + Self.encodedDefault.get() + bytes[place.upperBound...]
  }

  private static let placeholder = Seccomp(defaultAction: "default", defaultErrnoRet: nil, syscalls: [])
  private static let encodedPlaceholder = Result { try Engine.encode(placeholder) }
  private static let encodedDefault = Result { try Engine.encode(Seccomp.default) }
}
