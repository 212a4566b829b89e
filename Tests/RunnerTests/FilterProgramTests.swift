import OCIModel
import Testing

@testable import Runner

/// The shorter program answers every call as libseccomp's does.
struct FilterProgramTests {
  private typealias Code = FilterProgram.Code

  @Test func theDefaultProfileIsAThirdAsLongAndAnswersTheSame() throws {
    let long = try SeccompCompiler.compile(.default)
    let short = long.compacted()
    #expect(short.instructions.count * 3 < long.instructions.count)
    compare(long, short)
  }

  @Test(arguments: [
    RuntimeSpec.Seccomp(
      defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: nil,
      syscalls: [.init(["mkdir", "mount"], "SCMP_ACT_KILL_PROCESS")]),
    RuntimeSpec.Seccomp(
      defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38,
      syscalls: [
        .init(["read", "write", "exit_group", "socket"], "SCMP_ACT_ALLOW"),
        .init(
          ["ioctl"], "SCMP_ACT_ALLOW", args: [.init(1, "SCMP_CMP_LT", 0x5400), .init(0, "SCMP_CMP_GE", 3)]),
        .init(["prctl"], "SCMP_ACT_ALLOW", args: [.init(0, "SCMP_CMP_MASKED_EQ", 0xf0, 0x10)]),
        .init(["kill"], "SCMP_ACT_ERRNO", errnoRet: 1, args: [.init(1, "SCMP_CMP_EQ", 9)]),
      ]),
    RuntimeSpec.Seccomp(defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: nil, syscalls: []),
  ]) func otherProfilesAnswerTheSame(_ profile: RuntimeSpec.Seccomp) throws {
    let long = try SeccompCompiler.compile(profile)
    let short = long.compacted()
    #expect(short.instructions.count <= long.instructions.count)
    compare(long, short)
  }

  @Test func aProgramWithOtherInstructionsStaysAsItIs() {
    let program = FilterProgram([
      .init(code: Code.load, value: 0), .init(code: 0x45, ifTrue: 0, ifFalse: 1, value: 1),
      .init(code: Code.answer, value: 0x7fff_0000), .init(code: Code.answer, value: 0),
    ])
    #expect(program.compacted().instructions == program.instructions)
  }

  @Test func bytesAreThoseOfTheKernelsStructure() {
    let bytes: [UInt8] = [0x15, 0, 1, 2, 0x78, 0x56, 0x34, 0x12]
    let program = FilterProgram(bytes: bytes)
    #expect(program.instructions == [.init(code: 0x15, ifTrue: 1, ifFalse: 2, value: 0x1234_5678)])
    #expect(program.bytes == bytes)
  }

  /// At each number that either program compares with, and beside it.
  private func compare(_ long: FilterProgram, _ short: FilterProgram) {
    var numbers: Set<UInt32> = [0, 1, .max]
    for instruction in long.instructions + short.instructions
    where Code.comparisons.contains(instruction.code) {
      numbers.formUnion([instruction.value, instruction.value &+ 1, instruction.value &- 1])
    }
    let arguments: [UInt32] = [0, 1, 3, 8, 9, 0x10, 0x12, 40, 0x5400, 0x2_0000, 0x7e02_0000, .max]
    var differences = 0
    for architecture: UInt32 in [0xc000_003e, 0x4000_0003, 0xc000_00b7, 0x4000_0028, 0, 7] {
      for number in numbers {
        for argument in arguments {
          let call = Call(architecture: architecture, number: number, low: argument, high: argument % 2)
          if call.answer(of: long) != call.answer(of: short) || call.answer(of: short) == nil {
            differences += 1
          }
        }
      }
    }
    #expect(differences == 0)
  }

  private struct Call {
    var architecture: UInt32
    var number: UInt32
    /// Of every argument.
    var low: UInt32
    var high: UInt32

    /// As the kernel finds it; nil for a program that leads nowhere.
    func answer(of program: FilterProgram) -> UInt32? {
      var (place, value) = (0, UInt32(0))
      while program.instructions.indices.contains(place) {
        let instruction = program.instructions[place]
        place += 1
        func jump(_ isTrue: Bool) { place += Int(isTrue ? instruction.ifTrue : instruction.ifFalse) }
        switch instruction.code {
        case Code.load:
          switch instruction.value {
          case 0: value = number
          case 4: value = architecture
          default: value = instruction.value % 8 == 0 ? low : high
          }
        case Code.and: value &= instruction.value
        case Code.jump: place += Int(instruction.value)
        case Code.answer: return instruction.value
        case Code.equal: jump(value == instruction.value)
        case Code.greater: jump(value > instruction.value)
        case Code.greaterOrEqual: jump(value >= instruction.value)
        default: return nil
        }
      }
      return nil
    }
  }
}
