import TestSupport
import Testing

/// Runs `body` with a service that has `busybox:1`; the body stops it.
///
/// - Parameter change: commands that change the image's root, in its directory.
func withBusybox(
  _ account: Account, _ change: String = "",
  _ body: @Sendable (TestStore, TestService) async throws -> Void
) async throws {
  try await withTestStore(account) { store in
    let service = try await store.service()
    _ = try await service.importBusybox(store, change)
    try await body(store, service)
  }
}

/// The same with a service that ends well once the body is done with it.
func withBusyboxService(
  _ account: Account, _ body: @Sendable (TestStore, TestService) async throws -> Void
) async throws {
  try await withBusybox(account) { store, service in
    try await body(store, service)
    #expect(await service.stop() == 0)
  }
}
