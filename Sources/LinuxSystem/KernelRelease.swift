import Glibc

/// The running kernel's release, such as `6.18.0` (uname(2)).
package func kernelRelease() -> String {
  var names = utsname()
  guard uname(&names) == 0 else { return "" }
  return withUnsafeBytes(of: names.release) { bytes in
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
