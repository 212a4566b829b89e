/// Decodes `{}`: whatever is required is missing.
struct EmptyObjectDecoder: Decoder {
  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(EmptyContainer<Key>())
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw isObject }
  func singleValueContainer() throws -> any SingleValueDecodingContainer { throw isObject }

  private var isObject: DecodingError {
    .typeMismatch(
      [String: Never].self, .init(codingPath: [], debugDescription: "the parameters are an object"))
  }
}

private struct EmptyContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
  var codingPath: [any CodingKey] { [] }
  var allKeys: [Key] { [] }

  func contains(_ key: Key) -> Bool { false }
  func decodeNil(forKey key: Key) throws -> Bool { throw missing(key) }
  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { throw missing(key) }
  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws
    -> KeyedDecodingContainer<Nested>
  { throw missing(key) }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw missing(key) }
  func superDecoder() throws -> any Decoder { EmptyObjectDecoder() }
  func superDecoder(forKey key: Key) throws -> any Decoder { EmptyObjectDecoder() }

  private func missing(_ key: Key) -> DecodingError {
    .keyNotFound(key, .init(codingPath: [], debugDescription: "it is missing"))
  }
}
