import Engine
import RPCModel

extension Session {
  func registryLogin(_ params: RegistryLogin.Params, _ context: RequestContext) async throws
    -> RegistryLogin.Result
  {
    let (registry, keeper) = try await engine.login(
      params.registry, user: params.user, password: params.password)
    return RegistryLogin.Result(registry: registry, helper: keeper.helper, configPath: keeper.file.string)
  }

  func registryLogout(_ params: RegistryLogout.Params, _ context: RequestContext) async throws
    -> RegistryLogout.Result
  {
    let (registry, wasKnown) = try await engine.logout(params.registry)
    return RegistryLogout.Result(registry: registry, wasKnown: wasKnown)
  }
}
