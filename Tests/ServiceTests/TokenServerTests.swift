import Foundation
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// A real registry that takes tokens alone, and a small server that gives them.
@Suite("A registry with a server of tokens")
struct TokenServerTests {
  private func base64URL(_ bytes: some Sequence<UInt8>) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing(
      "=", with: "")
  }

  /// A token for a repository (distribution specification, "Token Authentication"), as docker-registry checks it.
  private func token(_ repository: String, _ actions: [String], in directory: FilePath) async throws -> String
  {
    let der = try await ChildProcess.run(
      ["openssl", "x509", "-in", "token.pem", "-outform", "DER"], workingDirectory: directory)
    let now = Int(Date().timeIntervalSince1970)
    let list = actions.map { "\"\($0)\"" }.joined(separator: ",")
    let header = #"{"typ":"JWT","alg":"RS256","x5c":["\#(Data(der.stdout).base64EncodedString())"]}"#
    let claims =
      #"{"iss":"tests","sub":"ali","aud":"tests","exp":\#(now + 600),"nbf":\#(now - 60),"iat":\#(now),"jti":"\#(UInt32.random(in: 0 ... .max))","access":[{"type":"repository","name":"\#(repository)","actions":[\#(list)]}]}"#
    let signed = base64URL(header.utf8) + "." + base64URL(claims.utf8)
    let signature = try await ChildProcess.run(
      ["openssl", "dgst", "-sha256", "-sign", "token-key.pem"], workingDirectory: directory,
      input: .bytes(Array(signed.utf8)))
    guard signature.succeeded else { throw TestFailure(signature.errorText) }
    return signed + "." + base64URL(signature.stdout)
  }

  @Test("anonymous ones for what all may have, others for who has logged in", arguments: Account.available)
  func tokens(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withTemporaryDirectory { keys in
        let made = try await ChildProcess.run(
          [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
            "-keyout",
            "token-key.pem", "-out", "token.pem",
          ], workingDirectory: keys)
        try #require(made.succeeded, "\(made.errorText)")
        try await withFaultyServer { server in
          @Sendable func give(_ actions: String...) async throws {
            let token = try await token("demo/app", actions, in: keys)
            server.on(
              "GET", "/token", FaultyResponse(body: #"{"token":"\#(token)","expires_in":600}"#.utf8))
          }
          let settings = DockerRegistry.Settings(
            tokens: (realm: "http://\(server.host)/token", certificate: keys.appending("token.pem")))
          try await withDockerRegistry(settings) { registry in
            let service = try await store.service()
            _ = try await service.importBusybox(store)
            let name = "\(registry.host)/demo/app:1"
            let push = ImagePush.Params(image: "busybox:1", destination: name)

            try await give("pull")
            let refused = await #expect(throws: RPCError.self) {
              try await service.send(ImagePush.self, push)
            }
            #expect(refused?.data?.kind == .unauthorized)
            #expect(server.requests.allSatisfy { $0.fields["authorization"] == nil })

            try await give("pull", "push")
            _ = try await service.send(
              RegistryLogin.self, .init(registry: registry.host, user: "ali", password: "sesame"))
            _ = try await service.send(ImagePush.self, push)
            let last = try #require(server.requests.last)
            #expect(last.fields["authorization"] == "Basic \(Data("ali:sesame".utf8).base64EncodedString())")
            #expect(last.target.contains("service=tests"))
            #expect(last.target.removingPercentEncoding?.contains("scope=repository:demo/app:") == true)
            #expect(last.target.contains("push"))

            // One token is enough for all of a pull.
            let asked = server.requests.count
            let other = try await store.service("other")
            let pulled = try await other.send(ImagePull.self, .init(reference: name))
            #expect(pulled.layers.count == 1 && server.requests.count == asked + 1)

            // One that is kept, and that the registry does not take, is replaced.
            let third = try await store.service("third")
            let elsewhere = try await token("demo/other", ["pull"], in: keys)
            server.on(
              "GET", "/token", FaultyResponse(body: #"{"token":"\#(elsewhere)","expires_in":600}"#.utf8))
            let wrong = await #expect(throws: RPCError.self) {
              try await third.send(ImagePull.self, .init(reference: name))
            }
            #expect(wrong?.data?.kind == .unauthorized)
            try await give("pull")
            let again = try await third.send(ImagePull.self, .init(reference: name))
            #expect(again.layers.map(\.outcome) == [.present] && server.requests.count == asked + 3)
            #expect(await third.stop() == 0)
            for service in [service, other] { #expect(await service.stop() == 0) }
          }
        }
      }
    }
  }
}
