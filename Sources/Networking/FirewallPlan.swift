package import EngineErrors
import LinuxSystem

/// What the firewall is to do for all networks of a store.
///
/// Packets between two networks, and from elsewhere to a container, do not pass; answers do. What comes in by a published port
/// is no packet of a forward's: the container's forwarder has the connection. What leaves for the outside has the host's address
/// (NAT). An internal network has no outside.
///
/// A copy of a store has the ranges of its original, with bridges of other names: its rules must not change what passes there.
package struct FirewallPlan: Hashable, Sendable {
  /// The table's name, in the family inet.
  package var table: String
  package var networks: [BridgePlan] = []
  /// Whether a program is the way to the outside, which may forget its connections.
  package var isRelayed = false

  package init(table: String) { self.table = table }

  var isEmpty: Bool { networks.isEmpty }

  /// What is in the table, in nft's language.
  var body: String {
    let open = networks.filter { !$0.isInternal }
    let outward = open.flatMap(\.ranges).map(\.subnet)
    return [
      set("bridges", "ifname", networks.map { "\"\($0.name)\"" }),
      set("own", "ifname . ifname", networks.map { "\"\($0.name)\" . \"\($0.name)\"" }),
      set("internal", "ifname", networks.filter(\.isInternal).map { "\"\($0.name)\"" }),
      set(
        "outward4", "ipv4_addr", outward.filter { $0.family == .v4 }.map(\.description), "flags interval; "),
      set(
        "outward6", "ipv6_addr", outward.filter { $0.family == .v6 }.map(\.description), "flags interval; "),
    ].joined(separator: "\n") + "\n" + chains.map(\.text).joined(separator: "\n")
  }

  /// How many rules the table has in all.
  var ruleCount: Int { chains.reduce(0) { $0 + $1.rules.count } }

  private struct Chain {
    var name: String
    /// Where it is of the kernel's hooks.
    var place: String?
    var rules: [String]

    var text: String {
      "  chain \(name) {\n" + ([place].compactMap(\.self) + rules).map { "    \($0)\n" }.joined() + "  }"
    }
  }

  private var chains: [Chain] {
    [
      Chain(
        name: "forward", place: "type filter hook forward priority filter; policy accept;",
        rules: (isRelayed ? [Self.brokenOff] : []) + [
          "oifname @bridges jump inward", "iifname @internal drop",
        ]),
      Chain(
        name: "inward",
        rules: [
          "ct state established,related accept", "iifname . oifname @own accept", "iifname @internal drop",
          "oifname @internal drop", "drop",
        ]),
      Chain(
        name: "postrouting", place: "type nat hook postrouting priority srcnat; policy accept;",
        rules: [
          "ip saddr @outward4 ip daddr != @outward4 oifname != @bridges masquerade",
          "ip6 saddr @outward6 ip6 daddr != @outward6 oifname != @bridges masquerade",
        ]),
    ]
  }

  /// Who goes on with a connection that a former run of the program had hears that it is no more; the next one drops such
  /// packets. The kernel has forgotten it when the program's interface went (masquerade).
  private static let brokenOff =
    "iifname @bridges oifname != @bridges ct state new tcp flags & (fin | syn | rst | ack) != syn reject with tcp reset"

  private func set(_ name: String, _ type: String, _ elements: [String], _ flags: String = "") -> String {
    let list = elements.isEmpty ? "" : "elements = { \(elements.sorted().joined(separator: ", ")) }; "
    return "  set \(name) { type \(type); \(flags)\(list)}"
  }
}

extension HostNetwork {
  /// Makes the firewall as it is to be, where it is not.
  package func ensure(_ plan: FirewallPlan) async throws(EngineError) {
    try await run("set up the firewall") { session in
      if try session.firewall().ensure(plan) { Failpoint.firewallChanged.pass() }
    }
  }
}
