/// What a registry is told about who asks.
package enum Credential: Hashable, Sendable {
  case password(user: String, secret: String)
  /// From a login at a token server: an OAuth 2 refresh token.
  case identityToken(String)
}
