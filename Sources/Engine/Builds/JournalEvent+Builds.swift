import Metadata
import OCIModel

extension JournalEvent {
  static func buildFinished(
    _ id: String, image: Digest, reference: String?, cached: Int, steps: Int
  ) -> JournalEvent {
    var attributes: [String: JournalValue] = [
      "image": .string(image.description), "cachedSteps": .integer(Int64(cached)),
      "steps": .integer(Int64(steps)),
    ]
    if let reference { attributes["reference"] = .string(reference) }
    return JournalEvent(kind: "build.finished", subject: id, attributes: attributes)
  }

  static func buildFailed(_ id: String, name: String?, error: String) -> JournalEvent {
    var attributes: [String: JournalValue] = ["error": .string(error)]
    if let name { attributes["reference"] = .string(name) }
    return JournalEvent(kind: "build.failed", subject: id, attributes: attributes)
  }
}
