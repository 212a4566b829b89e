/// Decodes the parameters of a message whose method is known by now, in the same pass over its bytes.
public struct ParamsDecoder {
  private let container: KeyedDecodingContainer<EnvelopeKey>

  init(_ container: KeyedDecodingContainer<EnvelopeKey>) { self.container = container }

  /// Absent parameters are those of an empty object.
  func decode<Params: Decodable>(_ type: Params.Type) throws -> Params {
    guard container.contains(.params), try !container.decodeNil(forKey: .params) else {
      return try type.init(from: EmptyObjectDecoder())
    }
    return try container.decode(type, forKey: .params)
  }
}

enum EnvelopeKey: String, CodingKey {
  case jsonrpc, id, method, params, result, error
}
