import Metadata
import OCIModel
import Testing

@testable import Engine

@Suite("looks at a container's health as a value")
struct HealthTallyTests {
  private static let second: Int64 = 1_000_000_000

  private func plan(_ change: (inout ImageConfig.Healthcheck) -> Void = { _ in }) throws -> HealthPlan {
    var check = ImageConfig.Healthcheck()
    check.test = ["CMD", "true"]
    change(&check)
    return try #require(HealthPlan(asked: nil, image: check))
  }

  private func look(_ seconds: Int64, _ exitCode: Int32?) -> HealthResult {
    HealthResult(at: seconds * Self.second, duration: 0, exitCode: exitCode, output: "")
  }

  @Test(
    "what nobody has said is as Docker has it; the caller's goes before the image's, and 0 is as good as nothing"
  )
  func defaults() throws {
    let standard = try plan()
    #expect(standard.interval == 30 * Self.second && standard.timeout == 30 * Self.second)
    #expect(standard.retries == 3 && standard.startPeriod == 0 && standard.startInterval == 5 * Self.second)
    var (asked, image) = (ImageConfig.Healthcheck(), ImageConfig.Healthcheck())
    (asked.interval, asked.timeout) = (7, 0)
    (image.interval, image.timeout, image.retries, image.test) = (8, 9, 2, ["CMD", "image"])
    let mixed = try #require(HealthPlan(asked: asked, image: image))
    #expect(mixed.command == ["image"] && mixed.interval == 7 && mixed.timeout == 9 && mixed.retries == 2)
  }

  @Test("the largest numbers that an image can have are numbers that can be added to a time")
  func largest() throws {
    let plan = try plan {
      ($0.interval, $0.timeout, $0.startPeriod, $0.startInterval, $0.retries) = (.max, .max, .max, .max, .max)
    }
    for time in [plan.interval, plan.timeout, plan.startPeriod, plan.startInterval] {
      #expect(time == HealthPlan.longest)
    }
    // As an earlier version has stored it.
    var stored = plan
    (stored.interval, stored.startInterval) = (.max, .max)
    #expect(HealthTally(startedAt: 0).pause(after: 0, stored) == HealthPlan.longest)
  }

  @Test("a pause is what is left of it, none where the clock went far forward, all of it where it went back")
  func jumps() throws {
    let plan = try plan { $0.interval = 30 * Self.second }
    let tally = HealthTally(startedAt: 0)
    let last = 1_000 * Self.second
    for (passed, left) in [(0, 30), (10, 20), (30, 0), (7 * 86_400, 0), (-3_600, 30)] as [(Int64, Int64)] {
      let now = last + passed * Self.second
      #expect(tally.pause(after: last, plan, at: now) == left * Self.second, "after \(passed) s")
    }
  }

  @Test("so many failures in a row are unhealthy, and one success is healthy")
  func retries() throws {
    let plan = try plan { $0.retries = 2 }
    var tally = HealthTally(startedAt: 0)
    #expect(tally.take(look(1, 1), plan) == .starting)
    #expect(tally.take(look(2, nil), plan) == .unhealthy)
    #expect(tally.take(look(3, 0), plan) == .healthy)
    #expect(tally.take(look(4, 1), plan) == .healthy)
    #expect(tally.take(look(5, 1), plan) == .unhealthy)
    for number in 6...20 { _ = tally.take(look(Int64(number), 0), plan) }
    #expect(tally.results.map(\.at) == (16...20).map { $0 * Self.second })
  }

  @Test("in the start period failures do not count and looks are closer; time and a success end it")
  func startPeriod() throws {
    let plan = try plan { ($0.startPeriod, $0.startInterval, $0.retries) = (60 * Self.second, 3, 1) }
    var tally = HealthTally(startedAt: 0)
    #expect(tally.pause(after: 0, plan) == 3)
    #expect(tally.take(look(59, 1), plan) == .starting)
    #expect(tally.pause(after: 60 * Self.second, plan) == plan.interval)
    #expect(tally.take(look(60, 1), plan) == .unhealthy)
    var early = HealthTally(startedAt: 0)
    #expect(early.take(look(1, 0), plan) == .healthy)
    #expect(early.pause(after: Self.second, plan) == plan.interval)
    #expect(early.take(look(2, 1), plan) == .unhealthy)
  }
}
