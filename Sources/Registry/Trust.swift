import LinuxSystem
import SystemPackage

/// What of TLS a server is met with.
struct Trust: Sendable {
  /// Whether its certificate must be good, and for its name.
  var verifies = true
  /// Certificates of authorities that are trusted besides the system's, in PEM.
  var authorities: [UInt8] = []
  /// The client's own, where the server asks for one.
  var certificate: (path: FilePath, key: FilePath)?
}

extension RegistryConfiguration {
  /// Reads what is kept for a server; blocks.
  ///
  /// As Docker has it: in a directory named by host and port, `*.crt` are authorities, and a `*.cert` is the client's
  /// certificate with its key beside it in `*.key`.
  func trust(of address: WebAddress) throws -> Trust {
    var trust = Trust()
    guard address.isSecure else { return trust }
    trust.verifies = !allowsInsecure(address)
    guard let directory = certificateDirectory(of: address) else { return trust }
    do {
      let names = try directoryEntries(directory).sorted()
      for name in names where name.hasSuffix(".crt") {
        trust.authorities += try readSmallFile(directory.appending(name), limit: 1 << 20).utf8 + [10]
      }
      if let name = names.first(where: { $0.hasSuffix(".cert") }) {
        let key = String(name.dropLast(".cert".count)) + ".key"
        guard names.contains(key) else {
          throw TransferFailure.insecure("\(directory)/\(name) has no key beside it, \(key)")
        }
        trust.certificate = (directory.appending(name), directory.appending(key))
      }
    } catch {
      if error is TransferFailure { throw error }
      throw TransferFailure.insecure("the certificates in \(directory) cannot be read: \(error)")
    }
    return trust
  }

  /// The first of the directories that has one for the server.
  func certificateDirectory(of address: WebAddress) -> FilePath? {
    for directory in certificateDirectories {
      for name in address.names where fileExists(directory.appending(name)) {
        return directory.appending(name)
      }
    }
    return nil
  }
}
