import CCurl
import Glibc
import LinuxSystem
internal import SystemPackage

/// The state of one exchange with a server, fed by libcurl's callbacks.
///
/// Not Sendable: it lives and dies on the thread that performs the transfer.
final class Transfer {
  /// libcurl bounds one header line (100 KiB), not their sum.
  private static let headerLimit = 256 << 10
  /// What is kept of the body of an error or a redirect.
  static let errorBodyLimit = 64 << 10

  private let interrupt: Interrupt
  private let choosePlan: (ResponseHead) throws -> BodyPlan
  private var head: ResponseHead?
  private var headIsComplete = false
  private var headerBytes = 0
  private var plan: BodyPlan?
  private var body: [UInt8] = []
  private var upload: Upload?
  /// Why a callback told libcurl to give up.
  private(set) var failure: (any Error)?
  /// Whether an error's body went on beyond what is kept of it, and was cut off.
  private(set) var hasEnough = false
  private(set) var lastActivity = ContinuousClock.now

  /// - Parameter plan: asked once, when the head of a 2xx response is complete.
  init(interrupt: Interrupt, upload: Upload?, plan: @escaping (ResponseHead) throws -> BodyPlan) {
    self.interrupt = interrupt
    self.upload = upload
    choosePlan = plan
  }

  func response(from address: WebAddress) throws -> HTTPResponse {
    guard let head else { throw TransferFailure.broken("the server sent no response") }
    return HTTPResponse(head: head, body: body, address: address)
  }

  /// Takes one header line; false stops the transfer.
  func header(_ line: UnsafeRawBufferPointer) -> Bool {
    progressing {
      headerBytes += line.count
      guard headerBytes <= Self.headerLimit else {
        throw TransferFailure.malformed(
          "the server's header fields are longer than \(Self.headerLimit) bytes")
      }
      let text = String(decoding: line, as: UTF8.self).trimming
      if text.hasPrefix("HTTP/") {
        // A new status line: what came before was informational.
        let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        head = ResponseHead(status: status)
        headIsComplete = false
      } else if text.isEmpty {
        headIsComplete = true
        // Asked before any byte of the body, so that a response that is of no use is not waited for.
        if plan == nil, let head, head.status >= 200 { plan = try planned(for: head) }
      } else if !headIsComplete, let colon = text.firstIndex(of: ":") {
        // Trailers, which come after the head, change nothing.
        head?.fields.append(
          (String(text[..<colon]).lowercased(), String(text[text.index(after: colon)...]).trimming))
      }
    }
  }

  /// Takes a piece of the body; false stops the transfer.
  func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
    progressing {
      switch plan {
      case nil:
        throw TransferFailure.malformed("a body without a head")
      case .deliver(let receive):
        try receive(bytes)
      case .collect(let limit):
        guard bytes.count <= limit - body.count else {
          if head?.isSuccess == true {
            throw TransferFailure.malformed("the response is longer than \(limit) bytes")
          }
          body.append(contentsOf: bytes.prefix(limit - body.count))
          hasEnough = true
          return
        }
        body.append(contentsOf: bytes)
      }
    }
  }

  /// Fills libcurl's send buffer; nil stops the transfer.
  func send(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    var count = 0
    let goesOn = progressing { count = try upload?.read(into: buffer) ?? 0 }
    return goesOn ? count : nil
  }

  func rewind(to offset: Int64) -> Bool {
    upload?.offset = offset
    return true
  }

  private func planned(for head: ResponseHead) throws -> BodyPlan {
    head.isSuccess ? try choosePlan(head) : .collect(limit: Self.errorBodyLimit)
  }

  private func progressing(_ step: () throws -> Void) -> Bool {
    if interrupt.isCancelled { return false }
    do {
      try step()
    } catch {
      failure = error
      return false
    }
    lastActivity = .now
    return !hasEnough
  }
}

/// The bytes of a request's body and how far they are sent.
struct Upload {
  enum Source {
    case bytes([UInt8])
    case file(FileDescriptor, Range<Int64>, progress: @Sendable (Int64) -> Void)
  }

  let source: Source
  var offset: Int64 = 0

  var size: Int64 {
    switch source {
    case .bytes(let bytes): Int64(bytes.count)
    case .file(_, let range, _): range.upperBound - range.lowerBound
    }
  }

  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let wanted = Int(min(Int64(buffer.count), size - offset))
    guard wanted > 0 else { return 0 }
    switch source {
    case .bytes(let bytes):
      buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + wanted])
      offset += Int64(wanted)
      return wanted
    case .file(let descriptor, let range, let progress):
      let count = try descriptor.read(
        fromAbsoluteOffset: range.lowerBound + offset,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
      guard count > 0 else { throw Errno.ioError }
      offset += Int64(count)
      progress(range.lowerBound + offset)
      return count
    }
  }
}

extension String {
  /// Without white space at either end.
  var trimming: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}
