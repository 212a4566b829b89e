import Glibc

/// One connection to a `FaultyServer`: reads requests, writes answers with their faults.
struct FaultyConnection {
  let descriptor: Int32
  private var unread: [UInt8] = []

  init(descriptor: Int32) {
    self.descriptor = descriptor
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// The next request, or nil at the end of the connection.
  mutating func readRequest() -> FaultyServer.Request? {
    let end = Array("\r\n\r\n".utf8)
    var headEnd = unread.firstRange(of: end)
    while headEnd == nil {
      guard fill() else { return nil }
      // A client that tries TLS first is told at once, as by other servers without it.
      if unread.first == 0x16 { return nil }
      headEnd = unread.firstRange(of: end)
    }
    guard let headEnd else { return nil }
    let lines = String(decoding: unread[..<headEnd.lowerBound], as: UTF8.self).split(separator: "\r\n")
    unread.removeSubrange(..<headEnd.upperBound)
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count == 3 else { return nil }
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
    }
    let length = fields["content-length"].flatMap { Int($0) } ?? 0
    while unread.count < length {
      guard fill() else { return nil }
    }
    let body = Array(unread.prefix(length))
    unread.removeFirst(length)
    return FaultyServer.Request(
      method: String(words[0]), target: String(words[1]), fields: fields, body: body)
  }

  /// Sends an answer; false where the connection must be closed after it.
  func send(_ response: FaultyResponse, to request: FaultyServer.Request) -> Bool {
    switch response.fault {
    case .silent: return waitForEnd()
    case .closesAtOnce: return false
    default: break
    }
    let (status, extra, body) = part(of: response, for: request)
    var fields = response.fields.merging(extra) { _, new in new }
    switch response.framing {
    case .length: if fields["Content-Length"] == nil { fields["Content-Length"] = "\(body.count)" }
    case .chunked: fields["Transfer-Encoding"] = "chunked"
    case .close: fields["Connection"] = "close"
    }
    let head = fields.map { "\($0.key): \($0.value)\r\n" }.sorted().joined()
    guard write(Array("HTTP/1.1 \(status) scripted\r\n\(head)\r\n".utf8)[...]) else { return false }
    guard request.method != "HEAD" else { return response.framing != .close }
    switch response.fault {
    case .none:
      guard writeBody(body[...], response.framing, isWhole: true) else { return false }
    case .closes(let count):
      _ = writeBody(body.prefix(count), response.framing, isWhole: false)
      return false
    case .hangs(let count):
      guard writeBody(body.prefix(count), response.framing, isWhole: false) else { return false }
      return waitForEnd()
    case .trickles(let piece):
      var rest = body[...]
      while !rest.isEmpty {
        guard writeBody(rest.prefix(piece), response.framing, isWhole: rest.count <= piece) else {
          return false
        }
        rest = rest.dropFirst(piece)
      }
    case .silent, .closesAtOnce: return false
    }
    return response.framing != .close
  }

  private func part(
    of response: FaultyResponse, for request: FaultyServer.Request
  ) -> (status: Int, fields: [String: String], body: [UInt8]) {
    guard response.doesRanges, response.status == 200,
      let match = request.fields["range"]?.wholeMatch(of: #/bytes=([0-9]+)-/#), let first = Int(match.1),
      first < response.body.count
    else { return (response.status, [:], response.body) }
    let total = response.body.count
    return (206, ["Content-Range": "bytes \(first)-\(total - 1)/\(total)"], Array(response.body[first...]))
  }

  private func writeBody(_ bytes: ArraySlice<UInt8>, _ framing: FaultyResponse.Framing, isWhole: Bool) -> Bool
  {
    guard framing == .chunked else { return write(bytes) }
    let size = bytes.isEmpty ? [] : Array("\(String(bytes.count, radix: 16))\r\n".utf8)
    let end = Array((bytes.isEmpty ? "" : "\r\n").utf8) + (isWhole ? Array("0\r\n\r\n".utf8) : [])
    return write((size + bytes + end)[...])
  }

  /// Waits until the client or `FaultyServer.stop` ends the connection.
  private func waitForEnd() -> Bool {
    var byte: UInt8 = 0
    while recv(descriptor, &byte, 1, 0) > 0 {}
    return false
  }

  private mutating func fill() -> Bool {
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    guard count > 0 else { return false }
    unread += chunk[..<count]
    return true
  }

  private func write(_ bytes: ArraySlice<UInt8>) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var sent = 0
      while sent < bytes.count {
        let count = Glibc.send(
          descriptor, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
  }
}

extension [UInt8] {
  fileprivate func firstRange(of pattern: [UInt8]) -> Range<Int>? {
    guard count >= pattern.count else { return nil }
    for start in 0...(count - pattern.count) where self[start..<start + pattern.count].elementsEqual(pattern)
    {
      return start..<start + pattern.count
    }
    return nil
  }
}
