package import OCIModel

/// An instruction of a build as it was carried out once: what decided about its outcome, and the outcome.
package struct BuildStepRecord: Hashable, Sendable {
  /// Of all that decided: the key of the instruction before it, and `inputs`.
  package var key: Digest
  /// The key of the instruction before it, or of the image that the stage begins with.
  package var parent: Digest
  /// The instruction as it is written.
  package var source: String
  /// By name: words after expansion, variables, files with their content, mode and owner.
  package var inputs: [String: String]
  /// Nil where it changed no file.
  package var layer: LayerRecord?
  /// How long it took, in milliseconds.
  package var milliseconds: Int64
  /// In nanoseconds since 1970.
  package var createdAt: Int64
  package var usedAt: Int64

  package init(
    key: Digest, parent: Digest, source: String, inputs: [String: String], layer: LayerRecord? = nil,
    milliseconds: Int64 = 0, createdAt: Int64
  ) {
    self.key = key
    self.parent = parent
    self.source = source
    self.inputs = inputs
    self.layer = layer
    self.milliseconds = milliseconds
    self.createdAt = createdAt
    usedAt = createdAt
  }
}
