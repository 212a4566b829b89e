/// What an ordinary user needs for a user namespace; root needs none.
extension Finding {
  static func userNamespace(_ facts: MachineFacts) -> [Finding] {
    facts.user.isRoot ? [] : [userNamespaceAllowed(facts), idPrograms(facts), subordinateIDs(facts)]
  }

  private static func userNamespaceAllowed(_ facts: MachineFacts) -> Finding {
    let about = "user namespaces"
    for (name, forbids, allows) in [
      ("user.max_user_namespaces", "0", "15000"), ("kernel.unprivileged_userns_clone", "0", "1"),
      ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ] where facts.sysctls[name] == forbids {
      return .missing(
        about, "\(name) is \(forbids): ordinary users may make none",
        remedy: "sudo sysctl -w \(name)=\(allows)")
    }
    return .good(about, "allowed")
  }

  private static func idPrograms(_ facts: MachineFacts) -> Finding {
    let about = "newuidmap"
    return facts.programs.isSuperset(of: ["newuidmap", "newgidmap"])
      ? .good(about, "installed")
      : .missing(
        about, "newuidmap and newgidmap give a user's namespace its ids, and are not installed",
        remedy: "sudo apt-get install uidmap")
  }

  private static func subordinateIDs(_ facts: MachineFacts) -> Finding {
    let about = "subordinate ids"
    let name = facts.user.name ?? "\(facts.user.id)"
    func count(_ text: String) -> Int {
      SubordinateIDs(text, name: facts.user.name, userID: facts.user.id).ranges.reduce(0) { $0 + $1.count }
    }
    let (users, groups) = (count(facts.subordinateUsers), count(facts.subordinateGroups))
    let first = firstFreeID(facts)
    let range = "\(first)-\(first + 65535)"
    let remedy = "sudo usermod --add-subuids \(range) --add-subgids \(range) \(name)"
    if users == 0 || groups == 0 {
      return .missing(about, "\(name) has none in /etc/sub\(users == 0 ? "u" : "g")id", remedy: remedy)
    }
    if min(users, groups) < 65536 {
      return .limited(
        about, "\(name) has \(min(users, groups)): images whose files have higher owners cannot be unpacked",
        remedy: remedy)
    }
    return .good(about, "\(users) users, \(groups) groups")
  }

  /// Behind all that anybody has, so that nobody gets another's.
  private static func firstFreeID(_ facts: MachineFacts) -> Int {
    let lines = (facts.subordinateUsers + "\n" + facts.subordinateGroups).split(separator: "\n")
    let ends = lines.compactMap { line -> Int? in
      let numbers = line.split(separator: ":").dropFirst().compactMap { Int($0) }
      return numbers.count == 2 ? numbers[0] + numbers[1] : nil
    }
    return max(100_000, ends.max() ?? 0)
  }
}
