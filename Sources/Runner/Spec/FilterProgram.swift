/// A classic BPF program as seccomp takes it (linux/filter.h, seccomp(2)), and the same in fewer instructions.
///
/// libseccomp writes two or three instructions for each system call. Calls with neighbouring numbers mostly have one answer, so
/// a search over ranges of numbers needs a quarter of them; the kernel checks, translates and tries them all at each start.
struct FilterProgram {
  struct Instruction: Hashable {
    var code: UInt16
    var ifTrue: UInt8 = 0
    var ifFalse: UInt8 = 0
    var value: UInt32 = 0
  }
  /// Those that a filter of libseccomp's decides by.
  enum Code {
    static let load: UInt16 = 0x20
    static let jump: UInt16 = 0x05
    static let equal: UInt16 = 0x15
    static let greater: UInt16 = 0x25
    static let greaterOrEqual: UInt16 = 0x35
    static let and: UInt16 = 0x54
    static let answer: UInt16 = 0x06
    static let comparisons = [equal, greater, greaterOrEqual]
  }
  /// Of `struct seccomp_data`, in bytes.
  enum Place {
    static let number: UInt32 = 0
    static let architecture: UInt32 = 4
  }

  let instructions: [Instruction]

  init(_ instructions: [Instruction]) { self.instructions = instructions }

  /// - Parameter bytes: an array of `struct sock_filter`.
  init(bytes: [UInt8]) {
    instructions = bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map { index in
        Instruction(
          code: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt16.self), ifTrue: bytes[index * 8 + 2],
          ifFalse: bytes[index * 8 + 3],
          value: bytes.loadUnaligned(fromByteOffset: index * 8 + 4, as: UInt32.self))
      }
    }
  }

  var bytes: [UInt8] {
    instructions.flatMap { instruction in
      withUnsafeBytes(of: instruction.code) { Array($0) } + [instruction.ifTrue, instruction.ifFalse]
        + withUnsafeBytes(of: instruction.value) { Array($0) }
    }
  }

  /// The program that answers every call as this one does; this one itself where it has what is not known here.
  func compacted() -> FilterProgram {
    guard let reading = FilterReading(instructions), let written = FilterWriter.write(reading),
      written.count < instructions.count
    else { return self }
    return FilterProgram(written)
  }
}

/// What a program does with a call of a certain architecture and number.
enum FilterOutcome: Hashable {
  case answer(UInt32)
  /// Looks at the call's arguments, from this instruction on, which loads one.
  case examine(from: Int)
}

/// A program's outcomes for all architectures and numbers.
struct FilterReading {
  typealias Code = FilterProgram.Code
  let instructions: [FilterProgram.Instruction]
  /// Of each architecture that is told from others, the first number of each range that has one outcome; the first is 0.
  private(set) var ranges: [(architecture: UInt32, outcomes: [(first: UInt32, outcome: FilterOutcome)])] = []
  private(set) var ofOthers: FilterOutcome = .answer(0)

  /// Nil for a program with other instructions than libseccomp's, or one that tells the numbers of other architectures apart.
  init?(_ instructions: [FilterProgram.Instruction]) {
    self.instructions = instructions
    let known = Code.comparisons + [Code.load, Code.jump, Code.answer, Code.and]
    guard instructions.allSatisfy({ known.contains($0.code) }), let architectures = architectures() else {
      return nil
    }
    // Between two numbers that the program compares with, it does the same with all.
    var bounds: Set<UInt32> = [0]
    for instruction in instructions where Code.comparisons.contains(instruction.code) {
      bounds.insert(instruction.value)
      if instruction.value < .max { bounds.insert(instruction.value + 1) }
    }
    let numbers = bounds.sorted()
    func outcomes(_ architecture: UInt32) -> [(first: UInt32, outcome: FilterOutcome)]? {
      var list: [(first: UInt32, outcome: FilterOutcome)] = []
      for number in numbers {
        guard let outcome = outcome(architecture, number) else { return nil }
        if list.last?.outcome != outcome { list.append((number, outcome)) }
      }
      return list
    }
    for architecture in architectures.sorted() {
      guard let list = outcomes(architecture) else { return nil }
      ranges.append((architecture, list))
    }
    guard let other = (0...).first(where: { !architectures.contains($0) }), let list = outcomes(other),
      list.count == 1, case .answer = list[0].outcome
    else { return nil }
    ofOthers = list[0].outcome
  }

  /// Those that the program compares with for being equal; nil where it compares in another way.
  private func architectures() -> Set<UInt32>? {
    var found: Set<UInt32> = []
    var seen: Set<Int> = []
    var open: [(place: Int, isArchitecture: Bool)] = [(0, false)]
    while let (place, isArchitecture) = open.popLast() {
      guard instructions.indices.contains(place) else { return nil }
      guard seen.insert(isArchitecture ? place : ~place).inserted else { continue }
      let instruction = instructions[place]
      switch instruction.code {
      case Code.answer: break
      case Code.load:
        // What follows the load of a number tells nothing of architectures, if none is loaded again.
        if instruction.value == FilterProgram.Place.architecture { open.append((place + 1, true)) }
      case Code.jump: open.append((place + 1 + Int(instruction.value), isArchitecture))
      case Code.equal where isArchitecture:
        found.insert(instruction.value)
        open.append((place + 1 + Int(instruction.ifTrue), true))
        open.append((place + 1 + Int(instruction.ifFalse), true))
      default: return nil
      }
    }
    return found
  }

  /// Nil where the program cannot be followed.
  private func outcome(_ architecture: UInt32, _ number: UInt32) -> FilterOutcome? {
    var place = 0
    var value: UInt32?
    // Jumps lead forward only, so this ends.
    while instructions.indices.contains(place) {
      let instruction = instructions[place]
      place += 1
      switch instruction.code {
      case Code.load:
        switch instruction.value {
        case FilterProgram.Place.number: value = number
        case FilterProgram.Place.architecture: value = architecture
        default: return .examine(from: place - 1)
        }
      case Code.jump: place += Int(instruction.value)
      case Code.answer: return .answer(instruction.value)
      default:
        guard let value else { return nil }
        let isTrue: Bool
        switch instruction.code {
        case Code.equal: isTrue = value == instruction.value
        case Code.greater: isTrue = value > instruction.value
        case Code.greaterOrEqual: isTrue = value >= instruction.value
        default: return nil
        }
        place += Int(isTrue ? instruction.ifTrue : instruction.ifFalse)
      }
    }
    return nil
  }
}
