// swift-tools-version: 6.2
import PackageDescription

// The modules and which may import which: see ARCHITECTURE.md. `.ci/import-edges` checks that sources
// import no more than their target names here.

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies,
    swiftSettings: strict)
}

/// A Debian library that Swift sees through one header of our own, because its interface has macros or
/// variadic functions that Swift cannot import.
func library(_ name: String, links: String) -> Target {
  .target(name: name, linkerSettings: [.linkedLibrary(links)])
}

/// Programs that need no Swift where they run; to load its libraries would also be half of a short program's time.
let selfContained: [LinkerSetting] =
  [.unsafeFlags(["-static-stdlib"])]
  + ["CoreFoundation", "_FoundationICU", "_FoundationCollections", "_FoundationCShims"].map {
    .linkedLibrary($0)
  }

let package = Package(
  name: "coracle",
  products: [
    .executable(name: "coracle", targets: ["coracle"]),
    .executable(name: "coracle-shim", targets: ["coracle-shim"]),
    .executable(name: "coracle-repl", targets: ["coracle-repl"]),
    .executable(name: "coracle-runtime", targets: ["coracle-runtime"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // What Swift cannot import, and the libraries of the distribution.
    .target(name: "CLinux"),
    library("CCurl", links: "curl"),
    library("COpenSSL", links: "crypto"),
    library("CArchive", links: "archive"),
    library("CISAL", links: "isal"),
    library("CZstd", links: "zstd"),
    library("CSeccomp", links: "seccomp"),
    library("CEdit", links: "edit"),

    // Leaves.
    module("LinuxSystem", ["CLinux", system]),
    module("EngineErrors", ["LinuxSystem", system]),
    module("OCIModel", ["EngineErrors", "COpenSSL"]),
    module("Dockerfile", ["EngineErrors"]),

    // Siblings: none imports another.
    module("ContentStore", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    module(
      "Layers",
      [
        "OCIModel", "EngineErrors", "LinuxSystem", "CArchive", "CISAL", "CZstd", system, collections,
      ]),
    module("Snapshots", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    module("Registry", ["OCIModel", "EngineErrors", "LinuxSystem", "CCurl", system, collections]),
    module("Networking", ["EngineErrors", "LinuxSystem", "CLinux", system]),
    module("Runner", ["OCIModel", "EngineErrors", "LinuxSystem", "CLinux", "CSeccomp", system]),
    module(
      "Metadata",
      ["OCIModel", "EngineErrors", "LinuxSystem", .product(name: "GRDB", package: "GRDB.swift"), system]),

    // The OCI life cycle on the same Runner, for other engines.
    module("OCIRuntime", ["Runner", "OCIModel", "EngineErrors", "LinuxSystem", system]),

    // The engine, and the protocol in front of it.
    module(
      "Engine",
      [
        "ContentStore", "Layers", "Snapshots", "Registry", "Networking", "Runner", "Metadata", "Dockerfile",
        "OCIModel", "EngineErrors", "LinuxSystem", system, logging,
      ]),
    module("RPCModel"),
    module("RPCTransport", ["RPCModel", "LinuxSystem", system, collections]),
    module(
      "Service",
      [
        "Engine", "Runner", "Metadata", "Dockerfile", "RPCModel", "RPCTransport", "OCIModel", "EngineErrors",
        "LinuxSystem",
        system, logging,
      ]),

    // Programs.
    .executableTarget(
      name: "coracle",
      dependencies: [
        "Service", "Engine", "RPCTransport", "EngineErrors", "LinuxSystem", system, logging,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict, linkerSettings: selfContained),
    .executableTarget(
      name: "coracle-runtime",
      dependencies: [
        "OCIRuntime", "OCIModel", "EngineErrors", "LinuxSystem", system,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict, linkerSettings: selfContained),
    .executableTarget(
      name: "coracle-shim", dependencies: ["CLinux"],
      swiftSettings: [
        .enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Osize"]),
      ],
      linkerSettings: [.unsafeFlags(["-static-executable", "-Xlinker", "--gc-sections"])]),
    .executableTarget(
      name: "protocol-tool",
      dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: strict),
    .executableTarget(
      name: "coracle-repl",
      dependencies: [
        "RPCModel", "RPCTransport", "CEdit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "clients/repl", swiftSettings: strict, linkerSettings: selfContained),

    // `make fuzz`.
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "Engine", "Layers", "Registry", "ContentStore", "Dockerfile", "OCIModel", "EngineErrors",
        "LinuxSystem", system,
      ],
      path: "Tests/Fuzz", exclude: ["run.sh"], swiftSettings: strict),

    // Tests mirror targets.
    .target(
      name: "TestSupport",
      dependencies: [
        "RPCModel", "RPCTransport", "OCIModel", "EngineErrors", "LinuxSystem", "CLinux", system,
      ],
      path: "Tests/TestSupport", swiftSettings: strict),
    tests("LinuxSystem", [system]),
    tests("OCIModel", ["EngineErrors"]),
    tests("Dockerfile", ["EngineErrors"]),
    tests("ContentStore", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    tests("Layers", ["OCIModel", "EngineErrors", "LinuxSystem", "CZstd", system]),
    tests("Snapshots", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    tests("Registry", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    tests("Networking", ["EngineErrors", "LinuxSystem", system]),
    tests("Runner", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    tests("Metadata", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    tests("OCIRuntime", ["OCIModel", "EngineErrors", "LinuxSystem", system]),
    tests("Engine", []),
    tests("RPCModel", []),
    tests("RPCTransport", ["RPCModel", "LinuxSystem", system]),
    // The clients in other languages, by their own tests.
    .testTarget(
      name: "ClientTests", dependencies: ["TestSupport", system], path: "Tests/ClientTests",
      swiftSettings: strict),
    .testTarget(
      name: "ProtocolToolTests", dependencies: ["TestSupport", system], path: "Tests/ProtocolToolTests",
      exclude: ["openrpc-meta-schema.json"], swiftSettings: strict),
    .testTarget(
      name: "PackagingTests", dependencies: ["TestSupport", system], path: "Tests/PackagingTests",
      swiftSettings: strict),
    tests("Service", ["RPCModel", "RPCTransport", "OCIModel", "LinuxSystem", system]),
  ],
  swiftLanguageModes: [.v6]
)
