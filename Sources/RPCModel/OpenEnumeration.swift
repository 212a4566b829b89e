/// An enumeration whose values may be more than this version knows.
public protocol OpenEnumeration: RawRepresentable, RPCValue, CustomStringConvertible
where RawValue == String {
  init(rawValue: String)
  static var known: [Self] { get }
}

extension OpenEnumeration {
  public init(from decoder: any Decoder) throws {
    self.init(rawValue: try decoder.singleValueContainer().decode(String.self))
  }

  public var description: String { rawValue }
}
