/// What somebody may have meant who wrote a word that is none: at most two letters away, without regard to case.
///
/// - Returns: nil where nothing is near.
func nearestWord(to word: String, among words: some Sequence<String>) -> String? {
  let wanted = Array(word.lowercased())
  let near = words.map { (word: $0, distance: distance(wanted, Array($0.lowercased()))) }
  return near.filter { $0.distance <= 2 && $0.distance < max(wanted.count, 2) }
    .min {
      ($0.distance, abs($0.word.count - word.count), $0.word) < (
        $1.distance, abs($1.word.count - word.count), $1.word
      )
    }?.word
}

/// How many letters have to be put in, left out, changed, or exchanged with the next one (Levenshtein and Damerau).
private func distance(_ one: [Character], _ other: [Character]) -> Int {
  var before: [Int] = []
  var row = Array(0...other.count)
  for (index, left) in one.enumerated() {
    var next = [index + 1]
    for (column, right) in other.enumerated() {
      var least = min(row[column] + (left == right ? 0 : 1), row[column + 1] + 1, next[column] + 1)
      if index > 0, column > 0, left == other[column - 1], one[index - 1] == right {
        least = min(least, before[column - 1] + 1)
      }
      next.append(least)
    }
    (before, row) = (row, next)
  }
  return row[other.count]
}

func didYouMean(_ word: String, among words: some Sequence<String>) -> String? {
  nearestWord(to: word, among: words).map { "did you mean \($0)?" }
}
