import CLinux
import Glibc
import LinuxSystem
import OCIModel
import SystemPackage

/// With v2, the BPF program of a group that says which devices its processes may open and make (BPF_PROG_TYPE_CGROUP_DEVICE):
/// the last rule that fits counts, and where none does the device may not be used.
struct DeviceProgram: Hashable {
  /// As the kernel takes them, `struct bpf_insn`.
  private(set) var instructions: [UInt64] = []

  /// Only root of the whole machine may load one.
  static var isPossible: Bool { geteuid() == 0 && UserNamespace.isInitial }

  init(_ rules: [RuntimeSpec.DeviceRule]) {
    // struct bpf_cgroup_dev_ctx: u32 access_type (access in the upper half, type in the lower), major, minor.
    load(.kind, offset: 0)
    add(0x54, .kind, value: 0xffff)  // kind &= 0xffff
    load(.access, offset: 0)
    add(0x74, .access, value: 16)  // access >>= 16
    load(.major, offset: 4)
    load(.minor, offset: 8)
    for rule in rules.reversed() {
      // The kernel refuses what nothing leads to.
      if !add(rule) { return }
    }
    answer(false)
  }

  /// Lets processes of a group use devices only as the program says, and as those of the groups above it do.
  func attach(to directory: FilePath) throws(SystemError) {
    let group = try call("open", on: directory.string) {
      open(directory.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    defer { close(group) }
    try call("bpf", on: directory.string) {
      clinux_attach_device_program(group, instructions, UInt32(instructions.count))
    }
  }

  private enum Register: UInt64 {
    case answer = 0
    case context = 1
    case kind = 2
    case access = 3
    case major = 4
    case minor = 5
    case scratch = 6
  }

  /// - Returns: whether there are devices that it does not fit.
  private mutating func add(_ rule: RuntimeSpec.DeviceRule) -> Bool {
    var body: [UInt64] = []
    // Each jumps over what is left of the rule; how far is known at the end.
    func skip(unless register: Register, is value: Int32) {
      body.append(Self.instruction(0x56, register, value: value))
    }
    switch rule.type {
    case "c": skip(unless: .kind, is: 2)
    case "b": skip(unless: .kind, is: 1)
    default: break
    }
    if let major = rule.major, major >= 0 { skip(unless: .major, is: Int32(truncatingIfNeeded: major)) }
    if let minor = rule.minor, minor >= 0 { skip(unless: .minor, is: Int32(truncatingIfNeeded: minor)) }
    let mask = Self.mask(rule.access ?? "rwm")
    if mask != 7 {
      body.append(Self.instruction(0xbc, .scratch, source: .access))  // scratch = access
      // What is allowed has to hold all that is asked for; of what is denied, a part is enough.
      body.append(Self.instruction(0x54, .scratch, value: rule.allow ? ~mask & 7 : mask))
      body.append(Self.instruction(rule.allow ? 0x56 : 0x16, .scratch, value: 0))
    }
    for index in body.indices where [0x56, 0x16].contains(body[index] & 0xff) {
      body[index] |= UInt64(body.count - index + 1) << 16
    }
    instructions += body
    answer(rule.allow)
    return !body.isEmpty
  }

  /// BPF_DEVCG_ACC_MKNOD, READ and WRITE.
  private static func mask(_ access: String) -> Int32 {
    access.reduce(0) { $0 | ($1 == "m" ? 1 : $1 == "r" ? 2 : $1 == "w" ? 4 : 0) }
  }

  private mutating func answer(_ allows: Bool) {
    add(0xb7, .answer, value: allows ? 1 : 0)
    instructions.append(0x95)  // exit
  }

  private mutating func load(_ register: Register, offset: UInt64) {
    instructions.append(Self.instruction(0x61, register, source: .context) | offset << 16)
  }

  private mutating func add(_ code: UInt64, _ register: Register, value: Int32) {
    instructions.append(Self.instruction(code, register, value: value))
  }

  private static func instruction(
    _ code: UInt64, _ register: Register, source: Register = .answer, value: Int32 = 0
  ) -> UInt64 {
    code | register.rawValue << 8 | source.rawValue << 12 | UInt64(UInt32(bitPattern: value)) << 32
  }
}
