import EngineErrors
import Metadata
import Testing

@testable import Engine

/// Every state with every sighting and every request.
@Suite("the life of a container as a value")
struct ContainerLifeValueTests {
  typealias Sighting = ContainerLife.Sighting
  typealias Change = ContainerLife.Change
  typealias Request = ContainerLife.Request

  /// In the order of `Sighting.allCases`: absent, running, paused, restarting, exited, exitedAgain.
  static let changes: [ContainerState: [[Change]]] = [
    .created: [[], [.started], [.started, .paused], [], [.started, .exited], [.started, .exited]],
    .running: [[.lost], [], [.paused], [], [.exited], [.exited]],
    .paused: [[.lost], [.unpaused], [], [], [.exited], [.exited]],
    .restarting: [[.lost], [], [], [], [.exited], [.exited]],
    .exited: [[], [.started], [.started, .paused], [], [], [.started, .exited]],
  ]

  @Test("what is seen and what was known say what has to be recorded", arguments: ContainerState.allCases)
  func sightings(state: ContainerState) throws {
    let expected = try #require(Self.changes[state])
    #expect(expected.count == Sighting.allCases.count)
    for (sighting, changes) in zip(Sighting.allCases, expected) {
      #expect(ContainerLife(state: state).changes(seeing: sighting) == changes, "\(state), \(sighting)")
    }
  }

  @Test("after what has been recorded, the same look finds nothing more", arguments: ContainerState.allCases)
  func settles(state: ContainerState) {
    for sighting in Sighting.allCases {
      var life = ContainerLife(state: state)
      for change in life.changes(seeing: sighting) { life = life.after(change) }
      // The row of an end has its time, by which the same exit record is known the next time.
      let next: Sighting = sighting == .exitedAgain ? .exited : sighting
      #expect(life.changes(seeing: next) == [], "\(state), \(sighting)")
    }
  }

  /// In the order of `Request.allCases`: start, stop, kill, pause, unpause, exec, remove; nil is to proceed.
  static let refusals: [ContainerState: [ErrorKind?]] = [
    .created: [nil, .conflict, .conflict, .conflict, .conflict, .conflict, nil],
    .running: [.conflict, nil, nil, nil, .conflict, nil, .inUse],
    .paused: [.conflict, nil, nil, .conflict, nil, .conflict, .inUse],
    .restarting: [.conflict, nil, nil, .conflict, .conflict, .conflict, .inUse],
    .exited: [nil, nil, .conflict, .conflict, .conflict, .conflict, nil],
  ]

  @Test("each state allows what it can do and says why not otherwise", arguments: ContainerState.allCases)
  func requests(state: ContainerState) throws {
    let expected = try #require(Self.refusals[state])
    #expect(expected.count == Request.allCases.count)
    for (request, kind) in zip(Request.allCases, expected) {
      switch ContainerLife(state: state).verdict(on: request) {
      case .proceed: #expect(kind == nil, "\(state), \(request)")
      case .done: #expect(state == .exited && request == .stop)
      case .refuse(let refused, let reason, _):
        #expect(refused == kind, "\(state), \(request)")
        #expect(!reason.isEmpty)
      }
    }
  }
}
