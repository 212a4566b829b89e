package import Registry

// What the registry client has and takes, for those above the engine.
package typealias RegistryNotices = Registry.RegistryNotices
package typealias RegistrySettings = Registry.RegistrySettings
