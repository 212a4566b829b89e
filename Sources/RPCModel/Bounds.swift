extension KeyedDecodingContainer {
  /// Decodes a number that the protocol bounds.
  func decode(_ type: Int.Type, in bounds: ClosedRange<Int>, forKey key: Key) throws -> Int {
    let value = try decode(type, forKey: key)
    guard bounds.contains(value) else {
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self,
        debugDescription: "\(value) is not in \(bounds.lowerBound)...\(bounds.upperBound)")
    }
    return value
  }

  func decodeIfPresent(_ type: Int.Type, in bounds: ClosedRange<Int>, forKey key: Key) throws -> Int? {
    guard contains(key), try !decodeNil(forKey: key) else { return nil }
    return try decode(type, in: bounds, forKey: key)
  }
}
