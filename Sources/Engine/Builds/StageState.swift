import Dockerfile
import Metadata
import OCIModel

/// What a stage has come to at one of its instructions.
struct StageState: Sendable {
  /// The lowest first.
  var layers: [LayerRecord]
  var config: ImageConfig
  var scope: StageScope
  /// Of all that led here.
  var key: Digest
  /// An instruction was carried out anew, or would have to be: nothing after it is taken from the cache.
  var isFresh = false
  /// Where nothing is carried out: some of its layers are not in the store, but where they can be fetched from.
  var lacksLayers = false
  /// Where no instruction stands on it yet.
  var base: BaseImage?
  /// Of an instruction before, it is not known whether it would come from the cache.
  var isUnknown = false
  /// Whether CMD was in this stage: ENTRYPOINT takes away an earlier image's only.
  var setsCommand = false

  var execution: ImageConfig.Execution {
    get { config.config ?? .init() }
    set { config.config = newValue }
  }

  var workingDirectory: String {
    let directory = execution.workingDir ?? ""
    return directory.isEmpty ? "/" : directory
  }

  /// A path of an instruction, made absolute and clean.
  func absolute(_ path: String) -> String {
    let whole = path.hasPrefix("/") ? path : workingDirectory + "/" + path
    let clean = IgnoreRules.clean(whole)
    return clean == "." ? "/" : "/" + clean
  }

  mutating func tell(_ createdBy: String, layer: LayerRecord?, at time: String) {
    if let layer {
      layers.append(layer)
      config.rootfs.diffIDs.append(layer.diffID)
    }
    config.history =
      (config.history ?? []) + [
        .init(
          created: time, createdBy: createdBy, comment: "coracle.dockerfile",
          emptyLayer: layer == nil ? true : nil)
      ]
  }
}
