import CLinux
import EngineErrors
import Glibc
import LinuxSystem
import SystemPackage

/// The engine's own nftables table. It is made as a whole, in one transaction, from a plan, and carries the plan's hash as its
/// comment: so whether it is as it should be are two small questions, also after a host's firewall was loaded anew, and after a
/// tool has flushed all tables (nft flush table), which leaves their comments.
final class Firewall {
  private let netlink: NetlinkConversation
  private var library: NFTables?

  /// In the calling thread's network namespace.
  init() throws(SystemError) { netlink = try NetlinkConversation(.netfilter) }

  /// - Returns: whether anything had to be changed.
  func ensure(_ plan: FirewallPlan) throws -> Bool {
    let found = try comment(of: plan.table)
    if plan.isEmpty {
      guard found != nil else { return false }
      try nftables().run("delete table inet \(plan.table)\n")
      return true
    }
    let body = plan.body
    let hash = String(stableHash(body), radix: 16)
    if found == hash, try ruleCount(in: plan.table) == plan.ruleCount { return false }
    // The first line is for the second, which fails where there is no table.
    try nftables().run(
      """
      table inet \(plan.table) {}
      delete table inet \(plan.table)
      table inet \(plan.table) {
        comment "\(hash)"
      \(body)
      }

      """)
    return true
  }

  private func ruleCount(in table: String) throws -> Int {
    try netlink.request(
      "count the firewall's rules", Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(NFT_MSG_GETRULE.rawValue),
      flags: NLM_F_DUMP
    ) { message in
      message.netfilterHeader()
      message.attribute(Int(NFTA_RULE_TABLE.rawValue), table)
    }.count
  }

  /// Nil where there is no such table; empty where it has no comment.
  private func comment(of table: String) throws -> String? {
    do {
      let answers = try netlink.request(
        "look up the firewall's table", Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(NFT_MSG_GETTABLE.rawValue)
      ) { message in
        message.netfilterHeader()
        message.attribute(Int(NFTA_TABLE_NAME.rawValue), table)
      }
      let data = answers.first?.attributes(after: 4)[Int(NFTA_TABLE_USERDATA.rawValue)] ?? []
      // libnftnl's own attributes: a kind (0 is the comment), a length, and the value, a byte each.
      var rest = data
      while rest.count >= 2, let kind = rest.first, let size = rest.dropFirst().first {
        if kind == 0 {
          return String(decoding: rest.dropFirst(2).prefix(Int(size)).prefix { $0 != 0 }, as: UTF8.self)
        }
        rest = rest.dropFirst(2 + Int(size))
      }
      return ""
    } catch let error as NetlinkRefusal where error.errno == .noSuchFileOrDirectory { return nil }
  }

  private func nftables() throws -> NFTables {
    if let library { return library }
    let loaded = try NFTables()
    library = loaded
    return loaded
  }
}

extension NetlinkMessage {
  /// struct nfgenmsg.
  fileprivate mutating func netfilterHeader() {
    // NFPROTO_INET, NFNETLINK_V0, and no resource.
    add(UInt8(1))
    add(UInt8(0))
    add(UInt16(0))
  }
}

/// FNV-1a: the same in every process.
package func stableHash(_ text: String) -> UInt64 {
  text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}
