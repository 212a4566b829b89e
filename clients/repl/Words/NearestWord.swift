/// What somebody may have meant who wrote a word that is none: at most two letters away, without regard to case.
///
/// - Returns: nil where nothing is near.
func nearestWord(to word: String, among words: some Sequence<String>) -> String? {
  let wanted = Array(word.lowercased())
  let near = words.map { (word: $0, distance: distance(wanted, Array($0.lowercased()))) }
  return near.filter { $0.distance <= 2 && $0.distance < max(wanted.count, 2) }
    .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
}

/// How many letters have to be put in, left out or changed (Levenshtein).
private func distance(_ one: [Character], _ other: [Character]) -> Int {
  var row = Array(0...other.count)
  for (index, left) in one.enumerated() {
    var diagonal = row[0]
    row[0] = index + 1
    for (column, right) in other.enumerated() {
      let changed = diagonal + (left == right ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(changed, row[column] + 1, row[column + 1] + 1)
    }
  }
  return row[other.count]
}

func didYouMean(_ word: String, among words: some Sequence<String>) -> String? {
  nearestWord(to: word, among: words).map { "did you mean \($0)?" }
}
