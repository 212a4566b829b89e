import EngineErrors
import OCIModel
import Testing

@testable import Engine

@Suite("Limits of containers")
struct ResourceLimitsTests {
  private func limits(_ change: (inout ResourceLimits) -> Void) -> ResourceLimits {
    var limits = ResourceLimits()
    change(&limits)
    return limits
  }

  @Test("are OCI's, and v2's own where those say less")
  func resources() throws {
    let resources = try limits {
      $0.memoryBytes = 64 << 20
      $0.swapBytes = 16 << 20
      $0.cpuMillis = 1500
      $0.cpuWeight = 200
      $0.processes = 9
      $0.ioWeight = 5000
      $0.ioRates = [DeviceRate(device: "8:16")]
      $0.ioRates?[0].readBytes = 1 << 20
    }.resources()
    #expect(resources.memory?.limit == 64 << 20 && resources.memory?.swap == 80 << 20)
    #expect(
      resources.cpu?.quota == 150_000 && resources.cpu?.period == 100_000 && resources.cpu?.shares == 2048)
    #expect(resources.pids?.limit == 9)
    #expect(resources.unified == ["cpu.weight": "200", "io.weight": "5000"])
    #expect(resources.blockIO?.weight == 1000)
    #expect(resources.blockIO?.throttleReadBpsDevice == [.init(major: 8, minor: 16, rate: 1 << 20)])
    #expect(try ResourceLimits().resources().isEmpty)
  }

  @Test("what no machine could do is refused, with the limit as the subject")
  func refused() {
    let wrong: [(String, ResourceLimits)] = [
      ("memoryBytes", limits { $0.memoryBytes = 1 << 20 }),
      ("swapBytes", limits { $0.swapBytes = 1 << 20 }),
      ("cpuMillis", limits { $0.cpuMillis = 9 }),
      ("cpuWeight", limits { $0.cpuWeight = 10_001 }),
      ("cpuSet", limits { $0.cpuSet = "0-" }),
      ("cpuSet", limits { $0.cpuSet = "3-1" }),
      ("memoryNodes", limits { $0.memoryNodes = "a" }),
      ("processes", limits { $0.processes = -1 }),
      ("ioWeight", limits { $0.ioWeight = -1 }),
      ("ioRates", limits { $0.ioRates = [DeviceRate(device: "/dev/null")] }),
      (
        "memoryReservationBytes",
        limits {
          $0.memoryBytes = 8 << 20
          $0.memoryReservationBytes = 9 << 20
        }
      ),
    ]
    for (subject, limits) in wrong {
      let error = #expect(throws: EngineError.self) { try limits.resources() }
      #expect(error?.kind == .invalidArgument && error?.subject == "limits.\(subject)")
    }
  }

  @Test("an update changes what it says; 0 and the empty text take a limit away")
  func update() throws {
    let old = limits {
      $0.memoryBytes = 64 << 20
      $0.swapBytes = 0
      $0.cpuMillis = 500
      $0.cpuSet = "0"
      $0.processes = 5
    }
    let new = old.updated(
      with: limits {
        $0.memoryBytes = 0
        $0.cpuSet = ""
        $0.cpuMillis = 700
      })
    #expect(
      new
        == limits {
          $0.cpuMillis = 700
          $0.processes = 5
        })
    let resources = try new.resources(after: old)
    #expect(resources.memory?.limit == -1 && resources.memory?.swap == -1)
    #expect(resources.cpu?.quota == 70_000 && resources.cpu?.cpus?.isEmpty == false)
    #expect(resources.pids?.limit == 5)
  }

  @Test("0 of a new container is no limit, but of swap: none at all")
  func zeros() {
    let swapless = limits {
      $0.memoryBytes = 64 << 20
      $0.swapBytes = 0
    }
    for old in [ResourceLimits(), limits { $0.memoryBytes = 32 << 20 }, limits { $0.processes = 0 }] {
      let new = old.updated(with: swapless)
      #expect(new.memoryBytes == 64 << 20 && new.swapBytes == 0)
    }
    #expect(swapless.updated(with: limits { $0.memoryBytes = 96 << 20 }).swapBytes == 0)
    #expect(swapless.updated(with: limits { $0.swapBytes = 0 }).swapBytes == nil)
    let asked = limits {
      $0.memoryBytes = 64 << 20
      $0.swapBytes = 0
      $0.processes = 0
      $0.cpuSet = ""
    }
    #expect(
      asked.withoutZeros
        == limits {
          $0.memoryBytes = 64 << 20
          $0.swapBytes = 0
        })
  }
}
