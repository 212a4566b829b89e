import Testing

@testable import Registry

@Suite struct ChallengeTests {
  @Test func aBearerChallengeIsRead() {
    let text =
      #"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#
    #expect(
      Challenge.parse(text) == [
        Challenge(
          scheme: "bearer",
          parameters: [
            "realm": "https://auth.example/token", "service": "r.example",
            "scope": "repository:a/b:pull,push",
          ])
      ])
  }

  @Test func severalChallengesAreKeptApart() {
    let challenges = Challenge.parse(#"Basic realm="a \"b\", c", BEARER Realm = x , error=y"#)
    #expect(
      challenges == [
        Challenge(scheme: "basic", parameters: ["realm": #"a "b", c"#]),
        Challenge(scheme: "bearer", parameters: ["realm": "x", "error": "y"]),
      ])
  }

  @Test(arguments: [
    "", ",,,", "=", "\"", "Bearer realm=\"open", "Bearer realm=", "Bearer =\"x\"", "a=b=c", "\u{301}=,",
  ])
  func brokenChallengesAreNoTrap(text: String) {
    #expect(Challenge.parse(text).allSatisfy { $0.parameters["realm"] == nil })
  }
}

@Suite struct ContentRangeTests {
  @Test func isRead() {
    let range = ContentRange("bytes 5-9/10")
    #expect(range?.first == 5)
    #expect(range?.last == 9)
    #expect(range?.total == 10)
    #expect(ContentRange("bytes 0-0/*").map { $0.total == nil } == true)
  }

  @Test(arguments: [
    "", "bytes */10", "bytes 9-5/10", "bytes -1-5/10", "items 0-1/2", "bytes 0-99999999999999999999/1",
  ])
  func otherFormsAreNone(text: String) { #expect(ContentRange(text) == nil) }
}

@Suite struct RetryPolicyTests {
  @Test func delaysDoubleUpToTheLongest() {
    var policy = RetryPolicy()
    policy.attempts = 9
    let delays = (1...9).map { policy.delay(afterFailures: $0, retryAfter: nil) }
    #expect(
      delays == [250, 500, 1000, 2000, 4000, 8000, 8000, 8000].map { Duration.milliseconds($0) } + [nil])
  }

  @Test func theServersWishCountsWithinReason() {
    let policy = RetryPolicy()
    #expect(policy.delay(afterFailures: 1, retryAfter: .seconds(3)) == .seconds(3))
    #expect(policy.delay(afterFailures: 1, retryAfter: .seconds(3600)) == nil)
    #expect(policy.delay(afterFailures: 5, retryAfter: .seconds(3)) == nil)
  }
}

@Suite struct RetryAfterTests {
  private func wait(_ fields: (name: String, value: String)...) -> Duration? {
    ResponseHead(status: 429, fields: fields).retryAfter
  }

  @Test func secondsAndDatesAreUnderstood() {
    #expect(wait(("retry-after", "7")) == .seconds(7))
    let now = (name: "date", value: "Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(wait(("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), now) == .seconds(30))
    #expect(wait(("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), now) == .zero)
    #expect(wait(("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")) == .zero)
    #expect(HTTPDate("Thu, 29 Feb 2024 00:00:00 GMT")?.seconds == 1_709_164_800)
  }

  @Test(arguments: [
    "", "-1", "soon", "Sun, 06 Now 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "1e9",
  ])
  func othersAreNot(text: String) {
    #expect(wait(("retry-after", text)) == nil)
  }
}
