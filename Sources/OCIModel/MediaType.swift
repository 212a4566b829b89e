/// The media types of the OCI image specification and of Docker's image manifest version 2, schema 2.
package enum MediaType {
  package static let ociIndex = "application/vnd.oci.image.index.v1+json"
  package static let ociManifest = "application/vnd.oci.image.manifest.v1+json"
  package static let ociConfig = "application/vnd.oci.image.config.v1+json"
  package static let ociLayer = "application/vnd.oci.image.layer.v1.tar"
  package static let ociLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
  package static let ociLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"

  package static let dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
  package static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

  package static let indexes: Set<String> = [ociIndex, dockerManifestList]
  package static let manifests: Set<String> = [ociManifest, dockerManifest]
  /// What a client asks a registry for, in order of preference.
  package static let accepted = [ociIndex, ociManifest, dockerManifestList, dockerManifest]
}
