import FoundationEssentials

/// What a request carries to say who asks.
enum Authorization: Hashable, Sendable {
  case anonymous
  case bearer(token: String)
  /// RFC 7617.
  case basic(user: String, secret: String)

  var fieldValue: String? {
    switch self {
    case .anonymous: nil
    case .bearer(let token): "Bearer \(token)"
    case .basic(let user, let secret): "Basic \(Data("\(user):\(secret)".utf8).base64EncodedString())"
    }
  }
}

/// One challenge of a WWW-Authenticate field (RFC 9110, section 11.6.1).
struct Challenge: Hashable, Sendable {
  /// In lower case.
  var scheme: String
  /// Names in lower case.
  var parameters: [String: String] = [:]

  /// Reads all challenges of a field; what cannot be read ends the list.
  static func parse(_ field: String) -> [Challenge] {
    var scanner = FieldScanner(text: Substring(field))
    var challenges: [Challenge] = []
    while let word = scanner.token() {
      if scanner.take("="), challenges.isEmpty == false {
        guard let value = scanner.value() else { return challenges }
        challenges[challenges.count - 1].parameters[word.lowercased()] = value
      } else {
        challenges.append(Challenge(scheme: word.lowercased()))
      }
    }
    return challenges
  }
}

/// Reads tokens and quoted strings (RFC 9110, section 5.6).
private struct FieldScanner {
  var text: Substring

  mutating func token() -> String? {
    text = text.drop { $0 == " " || $0 == "\t" || $0 == "," }
    let word = text.prefix { !" \t,=\"".contains($0) }
    guard !word.isEmpty else { return nil }
    text = text.dropFirst(word.count)
    return String(word)
  }

  mutating func take(_ mark: Character) -> Bool {
    let rest = text.drop { $0 == " " || $0 == "\t" }
    guard rest.first == mark else { return false }
    text = rest.dropFirst()
    return true
  }

  mutating func value() -> String? {
    text = text.drop { $0 == " " || $0 == "\t" }
    guard text.first == "\"" else { return token() }
    text = text.dropFirst()
    var value = ""
    while let next = text.popFirst() {
      switch next {
      case "\"": return value
      case "\\":
        guard let escaped = text.popFirst() else { return nil }
        value.append(escaped)
      default: value.append(next)
      }
    }
    return nil
  }
}

/// A token server's answer (distribution specification, "Token Authentication").
struct TokenAnswer: Decodable, Sendable {
  var token: String?
  var accessToken: String?
  /// In seconds.
  var expiresIn: Int?

  private enum CodingKeys: String, CodingKey {
    case token
    case accessToken = "access_token"
    case expiresIn = "expires_in"
  }

  init?(parsing bytes: [UInt8]) {
    guard let answer = try? JSONDecoder().decode(TokenAnswer.self, from: Data(bytes)) else { return nil }
    self = answer
  }
}
