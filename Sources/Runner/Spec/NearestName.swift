/// What somebody may have meant who wrote a name that is none: at most two letters away, without regard to case.
///
/// - Returns: nil where nothing is near.
package func nearestName(to name: String, among names: some Sequence<String>) -> String? {
  let wanted = Array(name.uppercased().utf8.prefix(64))
  var best: (name: String, distance: Int)?
  for candidate in names {
    let distance = editDistance(wanted, Array(candidate.uppercased().utf8))
    if distance <= 2, distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.name
}

/// How many letters have to be put in, left out or changed (Levenshtein).
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  if a.isEmpty { return b.count }
  var row = Array(0...b.count)
  for (i, left) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, right) in b.enumerated() {
      let changed = diagonal + (left == right ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[b.count]
}
