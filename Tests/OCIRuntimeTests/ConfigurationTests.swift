import EngineErrors
import Foundation
import OCIModel
import OCIRuntime
import Testing

@Suite("OCI configurations and states as JSON")
struct ConfigurationTests {
  /// Members of the specification's own example, with some that no runtime knows.
  private static let example = """
    {
      "ociVersion": "1.0.1",
      "process": {
        "terminal": true,
        "consoleSize": {"height": 25, "width": 80},
        "user": {"uid": 1, "gid": 1, "additionalGids": [5, 6]},
        "args": ["sh"],
        "env": ["PATH=/usr/bin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "ambient": ["CAP_NET_BIND_SERVICE"]},
        "rlimits": [{"type": "RLIMIT_CORE", "hard": 18446744073709551615, "soft": 1024}],
        "apparmorProfile": "acme_secure_profile",
        "oomScoreAdj": 100,
        "selinuxLabel": "system_u:system_r:svirt_lxc_net_t:s0:c124,c675",
        "noNewPrivileges": true
      },
      "root": {"path": "rootfs", "readonly": true},
      "hostname": "slartibartfast",
      "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}
      ],
      "hooks": {
        "prestart": [{"path": "/usr/bin/fix-mounts", "args": ["fix-mounts", "arg1"], "env": ["key1=value1"]}],
        "poststop": [{"path": "/usr/sbin/cleanup.sh", "timeout": 5}]
      },
      "linux": {
        "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}],
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 32000}],
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "rootfsPropagation": "slave",
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
          "syscalls": [{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO", "comment": "stop it"}]},
        "timeOffsets": {"monotonic": {"secs": 172800, "nanosecs": 0}},
        "namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/x"}, {"type": "mount"}],
        "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"], "mountLabel": "x"
      },
      "annotations": {"com.example.key1": "value1"},
      "solaris": {"milestone": "x"}
    }
    """

  @Test("The specification's example is read, unknown members and all")
  func example() throws {
    let spec = try decodeJSON(RuntimeSpec.self, Array(Self.example.utf8), of: "config.json")
    #expect(spec.process?.rlimits?.first?.hard == .max)
    #expect(spec.process?.user.additionalGids == [5, 6])
    #expect(spec.hooks?.prestart?.first?.args == ["fix-mounts", "arg1"])
    #expect(spec.hooks?.poststop?.first?.timeout == 5)
    #expect(spec.linux?.uidMappings == [.init(containerID: 0, hostID: 1000, size: 32000)])
    #expect(spec.linux?.namespaces?.map(\.path) == [nil, "/var/run/netns/x", nil])
    #expect(spec.linux?.devices?.first?.major == 10)
    #expect(spec.annotations == ["com.example.key1": "value1"])
  }

  @Test("A wrong member is named with its place")
  func wrongMember() {
    let text = #"{"ociVersion": "1.0.2", "root": {"path": "r"}, "mounts": [{"destination": 5}]}"#
    let error = #expect(throws: EngineError.self) {
      try decodeJSON(RuntimeSpec.self, Array(text.utf8), of: "config.json")
    }
    #expect(error?.kind == .invalidArgument)
    #expect(error?.description.contains("mounts.Index 0.destination") == true)
  }

  @Test("A state says what the specification asks for, and nothing of the runtime's own")
  func state() throws {
    var state = ContainerState(
      id: "c", bundle: "/b", rootfs: "/b/r", ociVersion: "1.0.2", created: "2026-01-01T00:00:00Z")
    state.annotations = ["a": "b"]
    let members = try #require(
      try JSONSerialization.jsonObject(with: Data(try state.json())) as? [String: Any])
    #expect(
      Set(members.keys)
        == ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"])
    #expect(members["status"] as? String == "creating")
  }
}
