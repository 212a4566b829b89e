/// A value of the protocol.
public typealias RPCValue = Decodable & JSONWritable & Hashable & Sendable

/// A request of the protocol: its name, and the types of its parameters and its result.
public protocol RPCRequest: Sendable {
  associatedtype Params: RPCValue
  associatedtype Result: RPCValue
  static var method: Method { get }
}

/// A notification of the protocol; the value is its parameters.
public protocol RPCNotification: RPCValue {
  static var method: String { get }
  static var delivery: Delivery { get }
}

/// What becomes of a message when its receiver is slower than its sender.
public enum Delivery: Sendable {
  /// It is sent, or the session ends with an error.
  case mustDeliver
  /// A newer one takes the place of one that was not sent yet.
  case coalesce
  /// It is not made before the receiver has granted the bytes for it.
  case credit
}
