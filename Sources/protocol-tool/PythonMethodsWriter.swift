/// Writes the methods of the Python client: a class for each noun, for asyncio and for plain calls that wait.
struct PythonMethodsWriter {
  private var lines: [String] = []
  private let isAsync: Bool

  private init(isAsync: Bool) { self.isAsync = isAsync }

  static func asynchronous(_ files: ProtocolFiles) -> String { text(files, isAsync: true) }
  static func blocking(_ files: ProtocolFiles) -> String { text(files, isAsync: false) }

  private static func text(_ files: ProtocolFiles, isAsync: Bool) -> String {
    var writer = PythonMethodsWriter(isAsync: isAsync)
    let requester = isAsync ? "Requester" : "BlockingRequester"
    writer.lines += PythonText.header
    writer.lines += [
      "from __future__ import annotations", "", "from collections.abc import Mapping, Sequence", "",
      "from ..request import ProgressCallback, \(requester)",
      "from . import types", "", "",
    ]
    // The session's own, without a noun in front, are the connection's.
    let nouns = files.files.filter { $0.requests.contains { $0.method.contains("/") } }
    for file in nouns {
      writer.lines.append("class \(writer.className(file)):")
      writer.lines += PythonText.docstring(file.doc, indent: "    ")
      writer.lines += [
        "", "    def __init__(self, request: \(requester)) -> None:", "        self._request = request",
      ]
      for request in file.requests { writer.method(request, in: file) }
      writer.lines += ["", ""]
    }
    writer.lines += [
      "class \(isAsync ? "Methods" : "BlockingMethods"):",
      "    \"\"\"All requests of the protocol, by noun.\"\"\"", "",
      "    def __init__(self, request: \(requester)) -> None:",
    ]
    for file in nouns {
      writer.lines.append("        self.\(PythonText.member(file.noun)) = \(writer.className(file))(request)")
      writer.lines += PythonText.docstring(file.doc, indent: "        ")
    }
    return writer.lines.joined(separator: "\n") + "\n"
  }

  private func className(_ file: ProtocolFile) -> String {
    (isAsync ? "" : "Blocking") + pascalCase(file.noun) + "Methods"
  }

  private mutating func method(_ request: ProtocolFile.Request, in file: ProtocolFile) {
    let verb = request.method.split(separator: "/").last.map(String.init) ?? request.method
    let result = request.result.isEmpty ? "None" : "types.\(request.typeName)Result"
    let required = request.params.filter { !$0.type.isOptional }
    let optional = request.params.filter(\.type.isOptional)
    var parameters = ["self"] + required.map { "\(PythonText.member($0.name)): \(type($0))" }
    let reports = request.tasks == true
    if !optional.isEmpty || reports { parameters.append("*") }
    parameters += optional.map { "\(PythonText.member($0.name)): \(type($0)) = None" }
    if reports { parameters.append("progress: ProgressCallback | None = None") }
    let head = "    \(isAsync ? "async " : "")def \(PythonText.member(verb))("
    if parameters.count == 1 {
      lines += ["", "\(head)self) -> \(result):"]
    } else {
      lines += ["", head] + parameters.map { "        \($0)," } + ["    ) -> \(result):"]
    }
    lines += PythonText.docstring(doc(request), indent: "        ")
    let call = "        return \(isAsync ? "await " : "")self._request("
    let answer = request.result.isEmpty ? "type(None)" : result
    if request.params.isEmpty {
      lines.append("\(call)\"\(request.method)\", {}, \(answer)\(reports ? ", progress" : ""))")
      return
    }
    lines += [call, "            \"\(request.method)\",", "            {"]
    lines += request.params.map { "                \"\($0.name)\": \(PythonText.member($0.name))," }
    lines +=
      ["            },", "            \(answer),"] + (reports ? ["            progress,"] : []) + [
        "        )"
      ]
  }

  private func type(_ field: ProtocolFile.Field) -> String { PythonText.parameterType(field.type) }

  private func doc(_ request: ProtocolFile.Request) -> String {
    var text = request.doc
    if !request.params.isEmpty {
      text +=
        "\n\n" + request.params.map { "\(PythonText.member($0.name)): \($0.doc)" }.joined(separator: "\n")
    }
    if request.tasks == true {
      text += "\nprogress: called with each task of the request when it starts, gets on and ends."
    }
    if !request.errors.isEmpty {
      text += "\n\nRaises: " + request.errors.map(pythonError).joined(separator: ", ") + "."
    }
    return text
  }
}
