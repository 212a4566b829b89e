import RPCModel
import Synchronization

/// Shows the samples of a `stats` that goes on: a table that is drawn anew, or lines of JSON.
final class SampleDisplay: Sendable {
  private let terminal: Terminal
  private let isOn = Mutex(false)

  init(_ terminal: Terminal) { self.terminal = terminal }

  func begin() { isOn.withLock { $0 = true } }

  func end() {
    let wasOn = isOn.withLock { isOn in
      defer { isOn = false }
      return isOn
    }
    if wasOn, !terminal.isJSON { terminal.setLive([]) }
  }

  func show(_ notification: ContainerStatsSampledNotification) {
    guard isOn.withLock({ $0 }) else { return }
    if terminal.isJSON { return terminal.printJSON(notification) }
    let size = terminal.size
    // What fills a line whole makes some terminals begin another.
    let lines = Stats.table(notification.stats).lines(terminal, columns: size.columns - 1)
    terminal.setLive(Array(lines.prefix(max(2, size.rows - 1))))
  }
}
