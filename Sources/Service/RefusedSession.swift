import Foundation
import RPCModel
package import RPCTransport

/// What a service does that could not open its store: the first request, `initialize`, is answered with the reason.
package struct RefusedSession {
  let channel: MessageChannel
  let reason: any Error

  package init(channel: MessageChannel, reason: any Error) {
    self.channel = channel
    self.reason = reason
  }

  /// Returns when the reason was told, or there is nobody to tell it to.
  package func serve() async {
    let error = RPCError(reason, operation: "start the service", isCancelled: false)
    let (written, allWritten) = AsyncStream.makeStream(of: Never.self)
    channel.start { [channel] event in
      guard case .frame(let bytes) = event,
        case .request(let id, _)? = try? JSONDecoder().decode(MessageToService.self, from: Data(bytes))
      else { return }
      channel.send(FailureMessage(id: id, error: error))
      channel.close()
    } onEnd: { [channel] in
      channel.close()
    } onWriteEnd: { _ in
      allWritten.finish()
    }
    for await _ in written {}
  }
}
