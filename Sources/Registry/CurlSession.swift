import CCurl
import Glibc
import LinuxSystem
internal import SystemPackage

/// One libcurl easy handle in a multi handle of its own: one transfer at a time, and the connections that
/// earlier transfers left open.
///
/// Why a thread and a handle for each transfer, not one I/O thread for all: the bytes go straight from
/// libcurl's buffer into hashing and writing, and a receiver that is behind blocks, which must hold up its
/// own layer only. Why a multi handle around it: only `curl_multi_poll(3)` can be woken from another
/// thread, so that a cancelled transfer ends at once also where no byte flows.
///
/// `@unchecked Sendable`: the pool's lock hands a session to one thread at a time; only `wake` is called
/// from others, which `curl_multi_wakeup(3)` allows.
final class CurlSession: @unchecked Sendable {
  private let easy: UnsafeMutableRawPointer
  private let multi: UnsafeMutableRawPointer
  private let errorText: UnsafeMutablePointer<CChar>
  /// Whose connection it probably still holds.
  private(set) var lastOrigin = ""

  /// libcurl's global state and what all handles share. Made once and kept, as the threads that use it
  /// come and go. `nonisolated(unsafe)`: libcurl locks the share by the locks in CCurl.c.
  nonisolated(unsafe) private static let share: UnsafeMutableRawPointer? = {
    ccurl_start()
    return ccurl_share_create()
  }()

  init() throws {
    _ = Self.share
    guard let easy = curl_easy_init() else { throw SystemError("curl_easy_init", .noMemory) }
    guard let multi = curl_multi_init() else {
      curl_easy_cleanup(easy)
      throw SystemError("curl_multi_init", .noMemory)
    }
    self.easy = easy
    self.multi = multi
    errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
  }

  deinit {
    curl_easy_cleanup(easy)
    curl_multi_cleanup(multi)
    errorText.deallocate()
  }

  func wake() { curl_multi_wakeup(multi) }

  /// Sends one request and takes its response; blocks. Redirects are not followed.
  ///
  /// - Throws: `TransferFailure`, `CancellationError` after `interrupt`, or what `plan` and its receiver threw.
  func perform(
    _ request: HTTPRequest, settings: RegistryConfiguration, interrupt: Interrupt,
    plan: @escaping (ResponseHead) throws -> BodyPlan
  ) throws -> HTTPResponse {
    blockBrokenPipeSignal()
    var file: FileDescriptor?
    defer { try? file?.close() }
    var upload: Upload?
    switch request.body {
    case .none: break
    case .bytes(let bytes): upload = Upload(source: .bytes(bytes))
    case .file(let path, let range, let progress):
      let opened = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
      file = opened
      upload = Upload(source: .file(opened, range, progress: progress))
    }
    let transfer = Transfer(interrupt: interrupt, upload: upload, plan: plan)
    lastOrigin = request.address.origin
    let fields = try prepare(request, uploadSize: upload?.size, transfer: transfer, settings: settings)
    defer { curl_slist_free_all(fields) }

    interrupt.attach(self)
    defer { interrupt.detach() }
    guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
      throw SystemError("curl_multi_add_handle", .noMemory)
    }
    // Taking a handle out in mid-transfer closes its connection.
    defer { curl_multi_remove_handle(multi, easy) }
    let code = try withExtendedLifetime(transfer) { try run(transfer, request, interrupt) }
    if interrupt.isCancelled { throw CancellationError() }
    if let failure = transfer.failure { throw failure }
    guard code == CURLE_OK || transfer.hasEnough else { throw self.failure(code, request) }
    return try transfer.response(from: request.address)
  }

  private func run(_ transfer: Transfer, _ request: HTTPRequest, _ interrupt: Interrupt) throws -> CURLcode {
    while true {
      var running: Int32 = 0
      let status = curl_multi_perform(multi, &running)
      guard status == CURLM_OK else {
        throw TransferFailure.broken(String(cString: curl_multi_strerror(status)))
      }
      let result = ccurl_finished(multi)
      if result >= 0 { return CURLcode(UInt32(result)) }
      if interrupt.isCancelled { throw CancellationError() }
      let left = request.stallTimeout - transfer.lastActivity.duration(to: .now)
      guard left > .zero else { throw TransferFailure.stalled(request.stallTimeout) }
      curl_multi_poll(multi, nil, 0, left.milliseconds + 1, nil)
    }
  }

  private func failure(_ code: CURLcode, _ request: HTTPRequest) -> TransferFailure {
    let text = String(cString: errorText)
    let reason = text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
    let address = request.address
    switch code {
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return .badAddress(address.text)
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: return .unresolved(host: address.host)
    case CURLE_COULDNT_CONNECT: return .refused(host: address.host, port: address.port, reason: reason)
    case CURLE_OPERATION_TIMEDOUT: return .connectTimedOut(host: address.host)
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
      CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM:
      return .insecure(reason)
    case CURLE_WEIRD_SERVER_REPLY: return .malformed(reason)
    default: return .broken(reason)
    }
  }
}

extension CurlSession {
  /// Sets the handle up from nothing for one request.
  private func prepare(
    _ request: HTTPRequest, uploadSize: Int64?, transfer: Transfer, settings: RegistryConfiguration
  ) throws -> UnsafeMutablePointer<curl_slist>? {
    curl_easy_reset(easy)
    errorText[0] = 0
    ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
    ccurl_set_pointer(easy, CURLOPT_PRIVATE, nil)
    if let share = Self.share { ccurl_set_share(easy, share) }
    ccurl_set_text(easy, CURLOPT_URL, request.address.text)
    ccurl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
    // One transfer at a time on a connection gains nothing from HTTP/2's windows and framing.
    ccurl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
    // A proxy's answer to CONNECT is no part of the response.
    ccurl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    // A name look-up that hangs is left behind on its own thread instead of being waited for.
    ccurl_set_long(easy, CURLOPT_QUICK_EXIT, 1)
    ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Int(settings.connectTimeout.milliseconds))
    ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
    ccurl_set_text(easy, CURLOPT_USERAGENT, settings.userAgent)
    // A proxy is for other machines, whatever the environment says.
    if request.address.isLoopback {
      ccurl_set_text(easy, CURLOPT_PROXY, "")
    } else if let proxy = settings.plainProxy, !request.address.isSecure {
      ccurl_set_text(easy, CURLOPT_PROXY, proxy)
    }
    try apply(settings.trust(of: request.address))
    if request.isBulk { ccurl_set_long(easy, CURLOPT_BUFFERSIZE, 256 << 10) }

    let context = Unmanaged.passUnretained(transfer).toOpaque()
    ccurl_set_bytes_callback(easy, CURLOPT_HEADERFUNCTION, takeHeader)
    ccurl_set_pointer(easy, CURLOPT_HEADERDATA, context)
    ccurl_set_bytes_callback(easy, CURLOPT_WRITEFUNCTION, takeBody)
    ccurl_set_pointer(easy, CURLOPT_WRITEDATA, context)

    switch request.method {
    case .get: ccurl_set_long(easy, CURLOPT_HTTPGET, 1)
    case .head: ccurl_set_long(easy, CURLOPT_NOBODY, 1)
    case .post, .put, .patch:
      ccurl_set_long(easy, CURLOPT_UPLOAD, 1)
      ccurl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
      ccurl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, uploadSize ?? 0)
      ccurl_set_bytes_callback(easy, CURLOPT_READFUNCTION, giveBody)
      ccurl_set_pointer(easy, CURLOPT_READDATA, context)
      ccurl_set_seek_callback(easy, rewindBody)
      ccurl_set_pointer(easy, CURLOPT_SEEKDATA, context)
      ccurl_set_long(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10)
    }

    var list: UnsafeMutablePointer<curl_slist>?
    // Waiting for "100 Continue" would cost a second with servers that do not send it.
    for (name, value) in request.fields + [("Expect", "")] {
      guard value.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
        curl_slist_free_all(list)
        throw TransferFailure.malformed("a control character in the \(name) header field")
      }
      list = curl_slist_append(list, "\(name):\(value.isEmpty ? "" : " \(value)")") ?? list
    }
    ccurl_set_list(easy, CURLOPT_HTTPHEADER, list)
    return list
  }
}

extension CurlSession {
  private func apply(_ trust: Trust) {
    if !trust.verifies {
      ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 0)
      ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 0)
    }
    if !trust.authorities.isEmpty {
      // In the place of the system's file; its directory with the same certificates, CURLOPT_CAPATH, stays.
      _ = trust.authorities.withUnsafeBytes {
        ccurl_set_copied_blob(easy, CURLOPT_CAINFO_BLOB, $0.baseAddress, $0.count)
      }
    }
    if let certificate = trust.certificate {
      ccurl_set_text(easy, CURLOPT_SSLCERT, certificate.path.string)
      ccurl_set_text(easy, CURLOPT_SSLKEY, certificate.key.string)
    }
  }
}

/// OpenSSL writes to sockets without MSG_NOSIGNAL. The signal goes to the thread that writes, so it is
/// blocked for the transfer's own thread only, and goes away with it.
private func blockBrokenPipeSignal() {
  var signals = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGPIPE)
  pthread_sigmask(SIG_BLOCK, &signals, nil)
}

private func transfer(_ context: UnsafeMutableRawPointer) -> Transfer {
  Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
}

private let takeHeader: ccurl_bytes_callback = { bytes, _, count, context in
  guard let context else { return 0 }
  return transfer(context).header(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
}

private let takeBody: ccurl_bytes_callback = { bytes, _, count, context in
  guard let context else { return 0 }
  return transfer(context).receive(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
}

private let giveBody: ccurl_bytes_callback = { bytes, size, count, context in
  guard let context else { return Int(CURL_READFUNC_ABORT) }
  let (room, overflow) = size.multipliedReportingOverflow(by: count)
  guard !overflow else { return Int(CURL_READFUNC_ABORT) }
  return transfer(context).send(into: UnsafeMutableRawBufferPointer(start: bytes, count: room))
    ?? Int(CURL_READFUNC_ABORT)
}

private let rewindBody: ccurl_seek_callback = { context, offset, origin in
  guard let context, origin == SEEK_SET else { return CURL_SEEKFUNC_CANTSEEK }
  return transfer(context).rewind(to: Int64(offset)) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
}

extension Duration {
  /// Whole milliseconds, for libcurl and poll(2); far beyond any timeout in use it saturates.
  var milliseconds: Int32 {
    let (seconds, attoseconds) = components
    guard seconds < Int64(Int32.max) / 1000 else { return Int32.max - 1 }
    return Int32(seconds * 1000 + attoseconds / 1_000_000_000_000_000)
  }
}
