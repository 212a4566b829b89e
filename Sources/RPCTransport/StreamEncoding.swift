import Foundation
import RPCModel

/// Bytes to the data of a stream and back.
enum StreamCoding {
  /// How many bytes at the end of `bytes` may be the beginning of one more UTF-8 character; 0 to 3.
  static func incompleteTail(_ bytes: some BidirectionalCollection<UInt8>) -> Int {
    var count = 0
    for byte in bytes.reversed().prefix(3) {
      count += 1
      switch byte {
      case 0x80...0xbf: continue
      case 0xc2...0xdf: return count < 2 ? count : 0
      case 0xe0...0xef: return count < 3 ? count : 0
      case 0xf0...0xf4: return count < 4 ? count : 0
      default: return 0
      }
    }
    return 0
  }

  static func encode(_ bytes: ArraySlice<UInt8>) -> (data: String, encoding: StreamEncoding) {
    if let text = String(validating: bytes, as: UTF8.self) { return (text, .utf8) }
    return (Data(bytes).base64EncodedString(), .base64)
  }

  /// Nil when the data is not what its encoding says.
  static func decode(_ data: String, _ encoding: StreamEncoding) -> [UInt8]? {
    switch encoding {
    case .utf8: Array(data.utf8)
    case .base64: Data(base64Encoded: data).map(Array.init)
    }
  }
}
