import EngineErrors
import Glibc
import LinuxSystem
import SystemPackage

/// Settings of the network namespace that the calling thread is in (/proc/sys/net).
enum Sysctl {
  private static func path(_ name: String) -> FilePath { FilePath("/proc/sys").appending(name) }

  static func exists(_ name: String) -> Bool { access(path(name).string, F_OK) == 0 }

  static func read(_ name: String) -> String? {
    guard let file = try? FileDescriptor.open(path(name), .readOnly, options: .closeOnExec) else {
      return nil
    }
    defer { try? file.close() }
    let bytes = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
      count = (try? file.read(into: UnsafeMutableRawBufferPointer(buffer))) ?? 0
    }
    return String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)
  }

  static func write(_ name: String, _ value: String) throws {
    let file = try FileDescriptor.open(path(name), .writeOnly, options: .closeOnExec)
    try file.closeAfter { _ = try file.writeAll(value.utf8) }
  }

  /// Where it is not there, or may not be set, it stays.
  static func tryWrite(_ name: String, _ value: String) { try? write(name, value) }
}

/// Whether interfaces have IPv6.
enum IPv6 {
  /// Whether the kernel has it, and new interfaces as well.
  static var isOn: Bool {
    Sysctl.exists("net/ipv6/conf/all/forwarding")
      && ["all", "default"].allSatisfy { Sysctl.read("net/ipv6/conf/\($0)/disable_ipv6") != "1" }
  }

  /// For one interface of the engine's, in the calling thread's network namespace.
  static func turnOn(_ interface: String) { Sysctl.tryWrite("net/ipv6/conf/\(interface)/disable_ipv6", "0") }
}

/// Whether the host passes packets on.
enum Forwarding {
  static func enable(_ families: [IPAddress.Family]) throws {
    if families.contains(.v4) { try enable("net/ipv4/ip_forward") }
    guard families.contains(.v6), Sysctl.read("net/ipv6/conf/all/forwarding") != "1" else { return }
    // A router takes no other router's word, unless it is told to: who got the host's address so keeps it.
    for interface in try directoryEntries("/proc/sys/net/ipv6/conf")
    where !["all", "default"].contains(interface) {
      let name = "net/ipv6/conf/\(interface)/accept_ra"
      if Sysctl.read(name) == "1" { Sysctl.tryWrite(name, "2") }
    }
    try enable("net/ipv6/conf/all/forwarding")
  }

  private static func enable(_ name: String) throws {
    if Sysctl.read(name) == "1" { return }
    do { try Sysctl.write(name, "1") } catch {
      throw EngineError("let the host pass packets on (\(name))", wrapping: error, subject: name)
    }
  }
}
