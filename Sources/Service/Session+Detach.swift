import EngineErrors
import RPCModel

/// Leaving a container/run's container, or a container/exec's command, to itself.
extension Session {
  func containerDetach(_ params: ContainerDetach.Params, _ context: RequestContext) async throws
    -> ContainerDetach.Result
  {
    let detach = try state.withLock { state in
      guard let running = state.running[params.request], !running.isAnswered else {
        throw EngineError(
          .notFound, "no request \(params.request) is under way", subject: "\(params.request)",
          hint: "give the id of a container/run or container/exec of this session that was not answered yet")
      }
      guard let detach = running.detach else {
        throw EngineError(
          .conflict, "the request \(params.request) runs nothing that could be left",
          subject: "\(params.request)",
          hint: "give the id of a container/run or container/exec whose process runs")
      }
      state.running[params.request]?.isDetached = true
      return detach
    }
    detach()
    return ContainerDetach.Result()
  }

  func allowDetaching(_ request: RequestID, _ detach: @escaping @Sendable () -> Void) {
    state.withLock { $0.running[request]?.detach = detach }
  }

  func wasDetached(_ request: RequestID) -> Bool {
    state.withLock { $0.running[request]?.isDetached ?? false }
  }
}
