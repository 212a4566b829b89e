/// What a build takes from elsewhere: the service's own rule, which decides here whether a word is a path of this machine.
enum ContextAddress {
  /// Whether a context is a git repository or a file of the web, which the service fetches.
  static func isOne(_ text: String) -> Bool {
    if ["http://", "https://", "git://", "ssh://"].contains(where: { text.hasPrefix($0) }) { return true }
    // git's short form for SSH: `user@host:path`.
    func consists(_ part: Substring, of others: String) -> Bool {
      !part.isEmpty && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) || others.contains($0) }
    }
    guard let at = text.firstIndex(of: "@"), let colon = text[at...].firstIndex(of: ":") else { return false }
    return consists(text[..<at], of: "_-") && consists(text[text.index(after: at)..<colon], of: ".-")
  }
}
