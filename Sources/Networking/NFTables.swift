import EngineErrors
import Glibc

/// libnftables (libnftables(3)), loaded when it is first needed: most services never do.
final class NFTables {
  private typealias Make = @convention(c) (UInt32) -> OpaquePointer?
  private typealias Free = @convention(c) (OpaquePointer) -> Void
  private typealias Buffer = @convention(c) (OpaquePointer) -> CInt
  private typealias Text = @convention(c) (OpaquePointer) -> UnsafePointer<CChar>?
  private typealias Run = @convention(c) (OpaquePointer, UnsafePointer<CChar>) -> CInt

  private let context: OpaquePointer
  private let free: Free
  private let runBuffer: Run
  private let output: Text
  private let error: Text

  /// In the calling thread's network namespace.
  ///
  /// - Throws: `unsupported` where the library is not installed.
  init() throws {
    let handle = try Self.open()
    func symbol<Function>(_ name: String, as type: Function.Type) throws -> Function {
      guard let found = dlsym(handle, name) else {
        throw EngineError(
          .unsupported, "libnftables has no \(name)", subject: "libnftables.so.1",
          hint: "install a newer one: version 0.9 or later")
      }
      return unsafeBitCast(found, to: type)
    }
    free = try symbol("nft_ctx_free", as: Free.self)
    runBuffer = try symbol("nft_run_cmd_from_buffer", as: Run.self)
    output = try symbol("nft_ctx_get_output_buffer", as: Text.self)
    error = try symbol("nft_ctx_get_error_buffer", as: Text.self)
    let make = try symbol("nft_ctx_new", as: Make.self)
    let bufferOutput = try symbol("nft_ctx_buffer_output", as: Buffer.self)
    let bufferError = try symbol("nft_ctx_buffer_error", as: Buffer.self)
    guard let made = make(0) else {
      throw EngineError(
        .unsupported, "cannot set up a firewall: the kernel has no nftables", subject: "nf_tables",
        hint: "load its module (modprobe nf_tables), or run a kernel that has it")
    }
    context = made
    // Standard output is the protocol's.
    _ = bufferOutput(made)
    _ = bufferError(made)
  }

  /// - Throws: `unsupported` where the library is not installed.
  static func check() throws { _ = try open() }

  /// It stays loaded.
  private static func open() throws -> UnsafeMutableRawPointer {
    guard let handle = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL) else {
      throw EngineError(
        .unsupported, "cannot set up a firewall: libnftables is not there", subject: "libnftables.so.1",
        causes: dlerror().map { [String(cString: $0)] } ?? [],
        hint: "install it; Debian's package is libnftables1")
    }
    return handle
  }

  deinit { free(context) }

  /// Runs commands as one transaction: all or none.
  func run(_ commands: String) throws {
    let status = runBuffer(context, commands)
    _ = output(context)
    let words = error(context).map { String(cString: $0) } ?? ""
    guard status == 0 else {
      throw EngineError(
        .internal, "cannot change the firewall", subject: "nf_tables",
        causes: words.isEmpty ? [] : [String(words.prefix(2000))],
        hint: "the kernel may lack modules that it needs: nf_tables, nft_chain_nat and nft_masq")
    }
  }
}
