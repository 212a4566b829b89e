import EngineErrors
import LinuxSystem
import Synchronization

/// Goes through an archive that is no layer, such as one of whole images, as its bytes come: one thread takes them, one
/// inflates them, and the caller's visits the entries. Memory is bounded whatever the archive's size.
package final class ArchiveWalk: Sendable {
  private let input = BytePipe(pieces: 4, size: 256 << 10)
  private let output = BytePipe(pieces: 4, size: 256 << 10)
  private let limits: UnpackLimits

  package init(limits: UnpackLimits = UnpackLimits()) { self.limits = limits }

  /// An entry of the archive, valid while it is visited.
  package struct Entry {
    package enum Kind: Sendable {
      case file
      /// Symbolic or hard; what it leads to, lexically, from the archive's root.
      case link(to: String)
      /// Directories, devices and whatever else holds no content.
      case other
    }

    /// From the archive's root, without `.` and empty components; never leads out.
    package var path: String
    package var kind: Kind
    /// Of a file, in bytes.
    package var size: Int64
    fileprivate let reader: ArchiveReader
    fileprivate let budget: HoleBudget

    /// The file's bytes, in order. An entry whose content is not read is skipped.
    ///
    /// - Throws: `corrupt` for a sparse file whose holes are more than the archive may unpack to: here they are bytes.
    package func read(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
      var position: Int64 = 0
      while let (bytes, offset) = try reader.nextBlock() {
        try fill(from: position, to: offset, body)
        try body(bytes)
        position = offset + Int64(bytes.count)
      }
      try fill(from: position, to: size, body)
    }

    /// A sparse file's holes.
    private func fill(from start: Int64, to end: Int64, _ body: (UnsafeRawBufferPointer) throws -> Void)
      throws
    {
      guard start >= 0, end > start else { return }
      let count = end - start
      try budget.take(count)
      let zeros = [UInt8](repeating: 0, count: Int(min(count, 256 << 10)))
      var rest = count
      while rest > 0 {
        let piece = Int(min(rest, Int64(zeros.count)))
        try zeros.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<piece])) }
        rest -= Int64(piece)
      }
    }
  }

  /// Blocks until all entries were visited and the archive's bytes were taken to their end.
  ///
  /// - Parameters:
  ///   - source: on a thread of its own; gives the archive's bytes, plain or compressed with gzip or zstd, to what it is
  ///     called with, and returns at their end. Its error ends the walk.
  ///   - stop: makes `source` return or throw soon; called when the walk ends early.
  ///   - visit: on the caller's thread.
  /// - Throws: `corrupt` for what is no archive, for names that lead out and for bombs; what `source` and `visit` throw;
  ///   `cancelled`.
  package func run(
    _ source: @escaping @Sendable ((UnsafeRawBufferPointer) throws -> Void) throws -> Void,
    stop: @Sendable () -> Void = {}, visit: (Entry) throws -> Void
  ) throws {
    let (input, output, limits) = (input, output, limits)
    let budget = HoleBudget(limits)
    let feeder = try WorkerThread("archive-read") {
      do {
        try Self.feed(input) { take in
          try source { bytes in
            budget.compressed.add(Int64(bytes.count), ordering: .relaxed)
            try take(bytes)
          }
        }
        input.finish()
      } catch {
        Self.fail([input, output], EngineError("read the archive", wrapping: error))
      }
    }
    defer { feeder.join() }
    let inflater: WorkerThread
    do {
      inflater = try WorkerThread("archive-inflate") {
        do {
          _ = try Inflation(input, output, limits).run()
          output.finish()
        } catch {
          Self.fail([input, output], EngineError("decompress the archive", wrapping: error))
        }
      }
    } catch {
      cancel()
      stop()
      throw error
    }
    defer { inflater.join() }
    do {
      let reader = try ArchiveReader(output)
      while let header = try reader.next() { try visit(Self.entry(header, reader, budget)) }
      try reader.drain()
    } catch {
      // So that the other two end.
      cancel()
      stop()
      throw error
    }
  }

  /// Ends the walk from any thread; `run` throws `cancelled`.
  package func cancel() { Self.fail([input, output], .cancelled("reading the archive")) }

  private static func fail(_ pipes: [BytePipe], _ error: EngineError) {
    for pipe in pipes { pipe.fail(error) }
  }

  /// Cuts what comes into pieces of the pipe's size: all but the last one are full.
  private static func feed(
    _ pipe: BytePipe, _ source: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    var piece = try pipe.vacant()
    try source { bytes in
      var rest = bytes
      while !rest.isEmpty {
        let room = piece.room
        let count = min(room.count, rest.count)
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
        piece.count += count
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        if piece.room.isEmpty {
          pipe.send(piece)
          piece = try pipe.vacant()
        }
      }
    }
    pipe.send(piece)
  }

  private static func entry(_ header: ArchiveEntry, _ reader: ArchiveReader, _ budget: HoleBudget) throws
    -> Entry
  {
    let path = try EntryPath(header.path ?? [])
    let kind: Entry.Kind
    switch header.kind {
    case .file: kind = .file
    case .hardLink: kind = .link(to: text(try EntryPath(header.hardLink ?? []).components))
    case .symbolicLink: kind = .link(to: try resolve(header.symbolicLink ?? [], in: path))
    default: kind = .other
    }
    return Entry(
      path: text(path.components), kind: kind, size: max(0, header.size), reader: reader, budget: budget)
  }

  /// Where a symbolic link leads in an archive that has no links on the way.
  ///
  /// - Throws: `corrupt` for one that leads out.
  private static func resolve(_ target: [UInt8], in path: EntryPath) throws(EngineError) -> String {
    var components = Array(path.components.dropLast())
    var leadsOut = target.first == UInt8(ascii: "/")
    for component in target.split(separator: UInt8(ascii: "/")) {
      if component.elementsEqual([UInt8(ascii: ".")]) { continue }
      if component.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")]) {
        leadsOut = leadsOut || components.popLast() == nil
      } else {
        components.append(component)
      }
    }
    guard !leadsOut else {
      throw EngineError(
        .corrupt, "the archive has a link that leads out of it: \(EntryPath.text(target))",
        hint: "the archive is broken or hostile")
    }
    return text(components)
  }

  private static func text(_ components: [ArraySlice<UInt8>]) -> String {
    String(decoding: Array(components.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
  }
}

/// How much the holes of an archive's sparse files may come to. The inflating thread counts what is in the archive.
private final class HoleBudget: Sendable {
  let compressed = Atomic<Int64>(0)
  private let taken = Atomic<Int64>(0)
  private let limits: UnpackLimits

  init(_ limits: UnpackLimits) { self.limits = limits }

  func take(_ count: Int64) throws(EngineError) {
    let (total, isTooMuch) = taken.load(ordering: .relaxed).addingReportingOverflow(count)
    guard !isTooMuch else { throw .overLimit("the archive's holes have no end", "--unpack-bytes") }
    taken.store(total, ordering: .relaxed)
    try limits.check(total, from: compressed.load(ordering: .relaxed), of: "archive")
  }
}
