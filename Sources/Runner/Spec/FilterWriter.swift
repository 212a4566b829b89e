/// Writes the program for what was read of another, from its end to its beginning, since jumps lead forward: a place is counted
/// from the end, and what is jumped to is there already.
struct FilterWriter {
  private typealias Code = FilterProgram.Code
  private typealias Instruction = FilterProgram.Instruction
  /// The longest conditional jump, less what is written between the choice of a target and the jump.
  private static let reach = 240

  private var written: [Instruction] = []
  /// Where an outcome is reached, by place.
  private var outcomes: [Int: FilterOutcome] = [:]
  /// Where instructions of the other program are that look at arguments.
  private var copies: [Int: Int] = [:]

  /// Nil where a jump would be too long.
  static func write(_ reading: FilterReading) -> [FilterProgram.Instruction]? {
    var writer = FilterWriter()
    guard writer.copy(reading) else { return nil }
    var roots: [(architecture: UInt32, place: Int)] = []
    for (architecture, list) in reading.ranges {
      let tree = writer.near(writer.tree(list[...]))
      if tree != writer.written.count - 1 { writer.jump(to: tree) }
      writer.written.append(Instruction(code: Code.load, value: FilterProgram.Place.number))
      roots.append((architecture, writer.written.count - 1))
    }
    var next = writer.place(of: reading.ofOthers)
    for root in roots {
      let (place, other) = (writer.near(root.place), writer.near(next))
      writer.branch(Code.equal, root.architecture, place, other)
      next = writer.written.count - 1
    }
    writer.written.append(Instruction(code: Code.load, value: FilterProgram.Place.architecture))
    return writer.written.reversed()
  }

  /// All that follows a look at the arguments, in the order in which it was.
  private mutating func copy(_ reading: FilterReading) -> Bool {
    let source = reading.instructions
    var wanted: Set<Int> = []
    var open: [Int] = reading.ranges.flatMap { $0.outcomes }.compactMap {
      if case .examine(let from) = $0.outcome { from } else { nil }
    }
    func following(_ place: Int) -> [Int] {
      let instruction = source[place]
      switch instruction.code {
      case Code.answer: return []
      case Code.jump: return [place + 1 + Int(instruction.value)]
      case Code.load, Code.and: return [place + 1]
      default: return [place + 1 + Int(instruction.ifTrue), place + 1 + Int(instruction.ifFalse)]
      }
    }
    while let place = open.popLast() {
      guard source.indices.contains(place) else { return false }
      if wanted.insert(place).inserted { open += following(place) }
    }
    for place in wanted.sorted(by: >) {
      var instruction = source[place]
      let targets = following(place).compactMap { copies[$0] }.map { written.count - 1 - $0 }
      switch instruction.code {
      case Code.answer: outcomes[written.count] = .answer(instruction.value)
      case Code.jump: instruction.value = UInt32(targets[0])
      // What it goes on with is what was written last.
      case Code.load, Code.and: break
      default:
        guard let ifTrue = UInt8(exactly: targets[0]), let ifFalse = UInt8(exactly: targets[1]) else {
          return false
        }
        (instruction.ifTrue, instruction.ifFalse) = (ifTrue, ifFalse)
      }
      copies[place] = written.count
      written.append(instruction)
    }
    return true
  }

  /// A search in ranges of numbers: the place where it begins.
  private mutating func tree(_ ranges: ArraySlice<(first: UInt32, outcome: FilterOutcome)>) -> Int {
    if ranges.count == 1 { return place(of: ranges[ranges.startIndex].outcome) }
    let middle = ranges.startIndex + ranges.count / 2
    let top = tree(ranges[middle...])
    let bottom = tree(ranges[..<middle])
    let (above, below) = (near(top), near(bottom))
    branch(Code.greaterOrEqual, ranges[middle].first, above, below)
    return written.count - 1
  }

  private mutating func branch(_ code: UInt16, _ value: UInt32, _ ifTrue: Int, _ ifFalse: Int) {
    written.append(
      Instruction(
        code: code, ifTrue: UInt8(truncatingIfNeeded: written.count - 1 - ifTrue),
        ifFalse: UInt8(truncatingIfNeeded: written.count - 1 - ifFalse), value: value))
  }

  /// A place from which a call gets this outcome, within reach.
  private mutating func place(of outcome: FilterOutcome) -> Int {
    for place in (max(0, written.count - Self.reach)..<written.count).reversed()
    where outcomes[place] == outcome { return place }
    switch outcome {
    case .answer(let value): written.append(Instruction(code: Code.answer, value: value))
    case .examine(let from): jump(to: copies[from] ?? 0)
    }
    outcomes[written.count - 1] = outcome
    return written.count - 1
  }

  private mutating func jump(to place: Int) {
    written.append(Instruction(code: Code.jump, value: UInt32(written.count - 1 - place)))
  }

  /// The place itself, or a jump to it where it is too far.
  private mutating func near(_ place: Int) -> Int {
    guard written.count - place > Self.reach else { return place }
    jump(to: place)
    return written.count - 1
  }
}
