import Glibc

/// The host name of this process's UTS namespace (uname(2)).
package func machineName() -> String {
  var names = utsname()
  guard uname(&names) == 0 else { return "localhost" }
  return withUnsafeBytes(of: &names.nodename) { bytes in
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
