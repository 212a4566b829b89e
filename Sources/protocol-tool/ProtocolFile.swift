import Foundation

/// One of the files in `protocol/`, as `protocol/schema.json` describes it.
struct ProtocolFile: Decodable {
  var noun: String
  var doc: String
  var requests: [Request]
  var notifications: [Notification]
  var structures: [Structure]
  var enumerations: [Enumeration]
  var aliases: [Alias]
  var events: [Event]?
  /// The version of all files; in one of them.
  var version: String?
  var codes: [Code]?
  /// Kinds of errors that any request may be answered with, whether it names them or not.
  var anyRequest: [String]?

  struct Request: Decodable {
    var method: String
    var doc: String
    var since: String
    var cancellable: Bool
    /// Whether it reports its work by task/started and so on.
    var tasks: Bool?
    /// Structures whose fields are parameters too, in front of `params`.
    var mixins: [String]?
    var params: [Field]
    var result: [Field]
    var errors: [String]
    var examples: [Example]

    struct Example: Decodable {
      var params: JSONValue
      var result: JSONValue
    }
  }

  struct Notification: Decodable {
    var method: String
    var direction: Direction
    var doc: String
    var since: String
    var delivery: Delivery
    var params: [Field]
    var examples: [JSONValue]
  }

  enum Direction: String, Decodable {
    case clientToServer, serverToClient, both
  }

  enum Delivery: String, Decodable {
    case mustDeliver, coalesce, credit
  }

  struct Field: Decodable {
    var name: String
    var type: TypeName
    var doc: String
    var min: Int64?
    var max: Int64?
  }

  struct Structure: Decodable {
    var name: String
    var doc: String
    var fields: [Field]
  }

  struct Enumeration: Decodable {
    var name: String
    var doc: String
    /// Whether values that are not listed decode.
    var open: Bool
    var values: [Value]

    struct Value: Decodable {
      var name: String
      var doc: String
    }
  }

  struct Alias: Decodable {
    var name: String
    var doc: String
    /// `builtin` for one that is written by hand in every client.
    var type: TypeName
  }

  struct Event: Decodable {
    var name: String
    var doc: String
    var subject: String
    var attributes: [Field]
  }

  struct Code: Decodable {
    var code: Int
    var name: String
    var doc: String
  }
}

extension ProtocolFile.Request {
  /// `image/pull` is `ImagePull`.
  var typeName: String { pascalCase(method) }
}

extension ProtocolFile.Notification {
  var typeName: String { pascalCase(method) + "Notification" }
}

/// `container/run` to `ContainerRun`, `$/cancelRequest` to `CancelRequest`, `rpc.discover` to `RpcDiscover`.
func pascalCase(_ method: String) -> String {
  method.split { $0 == "/" || $0 == "$" || $0 == "." }
    .map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
}

func camelCase(_ method: String) -> String {
  let name = pascalCase(method)
  return name.prefix(1).lowercased() + name.dropFirst()
}
