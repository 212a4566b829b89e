import EngineErrors
import Foundation
import Glibc
import LinuxSystem
import Runner
import SystemPackage
import TestSupport
import Testing

@Suite("published ports", .enabled(if: TestContainers.isPossible, "needs root"))
final class ForwarderTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  deinit { try? containers.runner.signal("c", SIGKILL) }

  /// A container with an address of its own, as one in a network has, and a server of TCP that sends back what it gets.
  private func startEcho(_ id: String = "c", port: Int = 80, listening: String = "-e cat") async throws {
    try await containers.start(
      id,
      [
        "sh", "-c",
        "ip link set lo up && ip addr add 10.99.0.2/32 dev lo && echo up && exec nc -ll -p \(port) \(listening)",
      ])
    try await containers.runner.waitForOutput(id, at: containers.log(id), containing: "up")
  }

  private func pid() throws -> Int32 {
    guard case .running(let pid) = try containers.runner.state("c") else {
      throw TestFailure("it does not run")
    }
    return pid
  }

  private func forwarder() throws -> Int32 {
    let lock = containers.runner.directory(of: "c").appending("ports.lock")
    guard case .process(let pid)? = try LifeLock.holder(of: lock) else {
      throw TestFailure("nobody holds the lock")
    }
    return pid
  }

  /// Runs a server in Python in the container's network, which has said something when it listens.
  private func startServer(_ script: String) async throws -> ChildProcess {
    let server = try await ChildProcess.spawn(
      ["nsenter", "-n", "-t", "\(try pid())", "python3", "-uc", script], output: .pipe, diesWithTests: true)
    try await server.firstOutput()
    return server
  }

  private func publish(_ port: ForwardedPort, of id: String = "c") async throws -> ForwardedPort {
    let reserved = try ReservedPort(port)
    try await containers.runner.publish([reserved], of: id)
    return reserved.port
  }

  private func free(_ containerPort: UInt16 = 80, _ transport: ForwardedPort.Transport = .tcp)
    -> ForwardedPort
  {
    ForwardedPort(hostPort: 0, containerPort: containerPort, transport: transport)
  }

  /// Runs a client in Python, with `connect(host)`, which tries again while nobody listens.
  private func client(_ port: ForwardedPort, _ script: String) async throws -> String {
    let prelude = """
      import socket, time, sys
      port = \(port.hostPort)
      def connect(host="127.0.0.1"):
          for _ in range(500):
              c = socket.create_connection((host, port), 300)
              try:
                  c.sendall(b"?")
                  if c.recv(1) == b"?": return c
              except ConnectionError: pass
              c.close(); time.sleep(0.01)
          raise SystemExit("nobody answers")
      def all_of(c):
          parts = []
          while part := c.recv(65536): parts.append(part)
          return b"".join(parts)

      """
    let result = try await ChildProcess.run(["python3", "-c", prelude + script])
    #expect(result.succeeded, "\(result.errorText)")
    return result.text.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  @Test func bytesPassBothWaysAndEndsAsWell() async throws {
    try await startEcho()
    let port = try await publish(free())
    #expect(port.hostPort != 0)
    let answer = try await client(
      port,
      """
      import threading
      c = connect()
      data = bytes(range(256)) * 65536
      threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR))).start()
      print(all_of(c) == data)
      """)
    #expect(answer == "True")
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
    try await containers.runner.cleanUp("c")
    // Its port is anybody's again.
    _ = try ReservedPort(port)
  }

  /// The forwarder gives a connection so many steps at a time; its end may come at any of them.
  @Test func endsPassAfterAnyNumberOfBytes() async throws {
    try await startEcho()
    let port = try await publish(free())
    let answer = try await client(
      port,
      """
      import threading
      def echoed(count):
          c = connect()
          data = b"x" * count
          threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR))).start()
          return all_of(c) == data
      print(sum(echoed(n * 50000) for n in range(100)))
      """)
    #expect(answer == "100")
  }

  @Test(arguments: ["127.0.0.1", "::1"]) func bothFamiliesLeadThere(host: String) async throws {
    try await startEcho()
    let port = try await publish(free())
    #expect(try await client(port, "print(connect('\(host)').getpeername()[0])") == host)
  }

  @Test func manyConnectionsAtOnce() async throws {
    try await startEcho()
    let port = try await publish(free())
    let answer = try await client(
      port,
      """
      held = [connect() for _ in range(200)]
      for n, c in enumerate(held): c.sendall(b"%d" % n)
      for c in held: c.shutdown(socket.SHUT_WR)
      print(all(all_of(c) == b"%d" % n for n, c in enumerate(held)))
      """)
    #expect(answer == "True")
  }

  /// In a quiet moment the forwarder gives back the memory of its table of connections.
  @Test func burstsWithPausesBetween() async throws {
    try await startEcho()
    let port = try await publish(free())
    let answer = try await client(
      port,
      """
      import time
      right = 0
      for _ in range(25):
        held = [connect() for _ in range(200)]
        for n, c in enumerate(held): c.sendall(b"%d" % n)
        for c in held: c.shutdown(socket.SHUT_WR)
        right += sum(all_of(c) == b"%d" % n for n, c in enumerate(held))
        for c in held: c.close()
        # It does so after 50 ms without an event.
        time.sleep(0.1)
      print(right)
      """)
    #expect(answer == "5000")
  }

  @Test func nobodyThereIsAReset() async throws {
    try await startEcho()
    let port = try await publish(free(81))
    let answer = try await client(
      port,
      """
      try: print(socket.create_connection(("127.0.0.1", port), 300).recv(1))
      except ConnectionResetError: print("reset")
      """)
    #expect(answer == "reset")
  }

  @Test func oneThatReadsNothingHoldsNobodyElseUp() async throws {
    try await startEcho()
    let port = try await publish(free())
    let answer = try await client(
      port,
      """
      slow = connect()
      slow.setblocking(False)
      sent = 0
      try:
          while True: sent += slow.send(b"x" * 65536)
      except BlockingIOError: pass
      c = connect(); c.sendall(b"hello"); c.shutdown(socket.SHUT_WR)
      print(all_of(c).decode(), sent > 0)
      """)
    #expect(answer == "hello True")
  }

  @Test func portsComeAndGoWhileItRuns() async throws {
    try await startEcho()
    let first = try await publish(free())
    let second = try await publish(free())
    #expect(try await client(second, "print(connect() is not None)") == "True")
    // By any service of the user.
    try await containers.otherRunner().unpublish([first], of: "c")
    _ = try ReservedPort(first)
    #expect(try await client(second, "print(connect() is not None)") == "True")
    let error = await #expect(throws: EngineError.self) {
      try await containers.runner.unpublish([first], of: "c")
    }
    #expect(error?.kind == .notFound)
  }

  @Test func takenPortIsAConflict() throws {
    let held = try ReservedPort(free())
    for address in [nil, "127.0.0.1", "0.0.0.0"] {
      var port = held.port
      port.address = address
      let error = #expect(throws: EngineError.self) { try ReservedPort(port) }
      #expect(error?.kind == .conflict)
      #expect(error?.hint != nil)
    }
    // UDP has ports of its own.
    var other = held.port
    other.transport = .udp
    _ = try ReservedPort(other)
  }

  @Test func addressOfAnotherMachineIsRefused() throws {
    let error = #expect(throws: EngineError.self) {
      try ReservedPort(ForwardedPort(address: "203.0.113.9", hostPort: 0, containerPort: 80))
    }
    #expect(error?.kind == .invalidArgument)
  }

  @Test func forwarderEndsWithItsShim() async throws {
    try await startEcho()
    let port = try await publish(free())
    #expect(containers.runner.hasForwarder("c"))
    guard
      case .process(let pid)? = try LifeLock.holder(
        of: containers.runner.directory(of: "c").appending("ports.lock"))
    else {
      Issue.record("nobody holds the lock")
      return
    }
    let forwarder = try ProcessDescriptor(pid: pid)
    guard
      case .process(let shim)? = try LifeLock.holder(
        of: containers.runner.directory(of: "c").appending("lock"))
    else {
      Issue.record("nobody holds the lock")
      return
    }
    kill(shim, SIGKILL)
    try await DescriptorWatcher.shared.readable(forwarder.descriptor)
    _ = try ReservedPort(port)
  }

  @Test func datagramsFindTheirWayBack() async throws {
    try await startEcho()
    let server = try await startServer(
      """
      import socket
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 53)); print("up")
      while True:
          data, peer = s.recvfrom(65536); s.sendto(b"<" + data + b">", peer)
      """)
    let port = try await publish(free(53, .udp))
    let answer = try await client(
      port,
      """
      peers = [socket.socket(f, socket.SOCK_DGRAM) for f in [socket.AF_INET, socket.AF_INET6] * 20]
      for n, s in enumerate(peers):
          s.settimeout(300)
          # An answer from another address than the one that was asked is not taken.
          s.connect(("127.0.0.1" if s.family == socket.AF_INET else "::1", port))
          s.send(b"%d" % n)
      print(all(s.recv(100) == b"<%d>" % n for n, s in enumerate(peers)))
      big = peers[0]; big.send(b"x" * 60000); print(len(big.recv(65536)))
      """)
    #expect(answer == "True\n60002")
    server.signal(SIGKILL)
    _ = try await server.waitForExit()
  }

  @Test func datagramsFollowTheContainersAddress() async throws {
    try await startEcho()
    let server = try await startServer(
      """
      import select, socket
      narrow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); narrow.bind(("", 53))
      wide = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
      wide.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); wide.bind(("::", 54)); print("up")
      while True:
          for s in select.select([narrow, wide], [], [])[0]:
              data, peer = s.recvfrom(100); s.sendto(data + b" " + peer[0].encode(), peer)
      """)
    let (narrow, wide) = (try await publish(free(53, .udp)), try await publish(free(54, .udp)))
    let inside = "[\"nsenter\", \"-n\", \"-t\", \"\(try pid())\", \"sh\", \"-ec\"]"
    let answer = try await client(
      narrow,
      """
      import subprocess
      def inside(script): subprocess.run(\(inside) + [script], check=True)
      asked = 0
      def ask(s):
          # A datagram may be lost, such as one at a way that turns out to lead nowhere after it was sent: who wants an answer asks again.
          global asked
          asked += 1
          for _ in range(60):
              s.send(b"%d" % asked)
              try:
                  while True:
                      number, seen = s.recv(100).split()
                      if int(number) == asked: return seen.decode()
              except TimeoutError: pass
          sys.exit("no answer")
      def peer(port):
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(("127.0.0.1", port))
          return s
      one = peer(port); print(ask(one))
      # As when it leaves a network and comes back.
      inside("ip addr del 10.99.0.2/32 dev lo; ip addr add 10.99.0.3/32 dev lo"); print(ask(one))
      # One that listens at IPv6 alone.
      inside("ip addr add fd00:99::2/128 dev lo nodad"); two = peer(\(wide.hostPort)); print(ask(two), ask(two), ask(one))
      """)
    #expect(answer == "10.99.0.2\n10.99.0.3\nfd00:99::2 fd00:99::2 10.99.0.3")
    server.signal(SIGKILL)
    _ = try await server.waitForExit()
  }

  /// As a web server's to a body that is too large: it has not read all of it when it closes, and so its system resets.
  @Test func anAnswerBeforeTheQuestionsEndArrives() async throws {
    try await startEcho()
    let port = try await publish(free(81))
    let answer = try await client(
      port,
      """
      import atexit, os, signal, subprocess
      forwarder = \(try forwarder())
      # Whatever fails: nobody waits for the server, nor for a forwarder that has been stopped.
      signal.alarm(300)
      signal.signal(signal.SIGALRM, lambda *_: sys.exit("waited in vain"))
      atexit.register(os.kill, forwarder, signal.SIGCONT)
      server = subprocess.Popen(["nsenter", "-n", "-t", "\(try pid())", "python3", "-uc", '''
      import socket, sys
      c = socket.create_server(("", 81))
      print("up")
      c = c.accept()[0]; c.recv(1); c.recv(1, socket.MSG_PEEK); print("heard")
      sys.stdin.readline()
      c.sendall(b"x" * 32768); c.close(); print("closed")
      '''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
      atexit.register(server.kill)
      server.stdout.readline()
      c = socket.create_connection(("127.0.0.1", port), 300); c.sendall(b"??")
      server.stdout.readline()
      # It comes to both, what the client has sent and the reset, at once.
      os.kill(forwarder, signal.SIGSTOP)
      while open(f"/proc/{forwarder}/stat").read().rsplit(")", 1)[1].split()[0] != "T": pass
      c.sendall(b"y" * 1000); server.stdin.write("go\\n"); server.stdin.flush()
      server.stdout.readline()
      os.kill(forwarder, signal.SIGCONT)
      try:
          while True: c.sendall(b"y" * 65536)
      except ConnectionError: pass
      heard = 0
      try:
          while part := c.recv(65536): heard += len(part)
      except ConnectionError: pass
      print(heard)
      """)
    #expect(answer == "32768")
  }

  @Test func withoutDescriptorsConnectionsWait() async throws {
    try await startEcho()
    let port = try await publish(free())
    let answer = try await client(
      port,
      """
      import resource
      connect().close()
      forwarder = \(try forwarder())
      def spent(): return sum(map(int, open(f"/proc/{forwarder}/stat").read().rsplit(")", 1)[1].split()[11:13]))
      soft, hard = resource.prlimit(forwarder, resource.RLIMIT_NOFILE)
      resource.prlimit(forwarder, resource.RLIMIT_NOFILE, (0, hard))
      c = socket.create_connection(("127.0.0.1", port), 1); c.sendall(b"?")
      before = spent()
      try: print(c.recv(1))
      except TimeoutError: print("waits")
      # In hundredths of that second.
      print(spent() - before < 30)
      resource.prlimit(forwarder, resource.RLIMIT_NOFILE, (soft, hard))
      c.settimeout(300); print(c.recv(1).decode())
      """)
    #expect(answer == "waits\nTrue\n?")
  }
}
