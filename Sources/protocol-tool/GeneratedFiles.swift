import Foundation

/// All generated files with their contents, by path in the project.
enum GeneratedFiles {
  static func all(_ files: ProtocolFiles, root: URL) throws -> [(path: String, text: String)] {
    let swift = "Sources/RPCModel/Generated"
    var result = files.files.map {
      ("\(swift)/\(pascalCase($0.noun))Types.swift", SwiftWriter.file($0, files))
    }
    result.append(("\(swift)/Methods.swift", MethodTableWriter.methods(files)))
    result.append(("\(swift)/Dispatch.swift", MethodTableWriter.dispatch(files)))
    let python = "clients/python/src/coracle/generated"
    result.append(("\(python)/types.py", PythonTypesWriter.types(files)))
    result.append(("\(python)/errors.py", PythonTypesWriter.errors(files)))
    result.append(("\(python)/methods.py", PythonMethodsWriter.asynchronous(files)))
    result.append(("\(python)/blocking.py", PythonMethodsWriter.blocking(files)))
    for (name, messages) in VectorWriter.vectors(files) {
      result.append(
        ("protocol/vectors/\(name).json", try JSONValue.array(messages).text(pretty: true) + "\n"))
    }
    let openRPC = OpenRPCWriter.document(files, version: files.version)
    result.append(("protocol/openrpc.json", try openRPC.text(pretty: true) + "\n"))
    result.append(
      ("Sources/Service/Generated/OpenRPCDocument.swift", try OpenRPCWriter.swift(openRPC)))
    let readme = try String(contentsOf: root.appending(path: "protocol/README.md"), encoding: .utf8)
    result.append(("protocol/README.md", ReferenceWriter.insert(files, into: readme)))
    return result
  }
}
