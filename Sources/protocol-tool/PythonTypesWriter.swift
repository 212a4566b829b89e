/// Writes the types of the Python client, and its errors.
struct PythonTypesWriter {
  private var lines: [String] = []

  /// Structures, results, notifications, enumerations and aliases.
  static func types(_ files: ProtocolFiles) -> String {
    var writer = PythonTypesWriter()
    writer.lines += PythonText.header
    writer.lines += [
      "from __future__ import annotations", "", "from dataclasses import dataclass, field",
      "from enum import StrEnum", "from typing import ClassVar, TypeAlias, TypedDict", "",
      "from ..wire import Notification, OpenEnum, Structure", "", "",
    ]
    for file in files.files {
      for request in file.requests where !request.result.isEmpty {
        writer.structure("\(request.typeName)Result", "What `\(request.method)` answers.", request.result)
      }
      for notification in file.notifications {
        writer.structure(
          notification.typeName, notification.doc, notification.params, base: "Notification",
          method: notification.method)
      }
      for structure in file.structures { writer.structure(structure.name, structure.doc, structure.fields) }
      for enumeration in file.enumerations { writer.enumeration(enumeration) }
    }
    for mixin in files.structures
    where files.requests.contains(where: { $0.mixins?.contains(mixin.name) ?? false }) {
      writer.options(mixin)
    }
    writer.events(files)
    for alias in files.aliases { writer.alias(alias) }
    let sent = files.notifications.filter { $0.direction != .clientToServer }
    writer.lines += ["", "NOTIFICATIONS: dict[str, type[Notification]] = {"]
    writer.lines += sent.map { "    \"\($0.method)\": \($0.typeName)," }
    writer.lines += ["}", "\"\"\"What the service sends without being asked.\"\"\""]
    return writer.text
  }

  /// A class for each kind of error.
  static func errors(_ files: ProtocolFiles) -> String {
    var writer = PythonTypesWriter()
    writer.lines += PythonText.header + ["from ..failure import ServiceError", "", ""]
    let kinds = files.enumerations.first { $0.name == "ErrorKind" }?.values ?? []
    for kind in kinds {
      writer.lines += ["class \(pythonError(kind.name))(ServiceError):"]
      writer.lines += PythonText.docstring(kind.doc, indent: "    ") + ["", ""]
    }
    writer.lines += ["ERRORS: dict[str, type[ServiceError]] = {"]
    writer.lines += kinds.map { "    \"\($0.name)\": \(pythonError($0.name))," }
    writer.lines += ["}", "\"\"\"By the kinds of the protocol.\"\"\"", "", "CODES: dict[int, str] = {"]
    writer.lines += files.files.flatMap { $0.codes ?? [] }.map { "    \($0.code): \"\($0.name)\"," }
    writer.lines += ["}", "\"\"\"The names of JSON-RPC's codes.\"\"\""]
    return writer.text
  }

  private var text: String {
    var lines = lines
    while lines.last == "" { lines.removeLast() }
    return lines.joined(separator: "\n") + "\n"
  }

  private mutating func structure(
    _ name: String, _ doc: String, _ fields: [ProtocolFile.Field], base: String = "Structure",
    method: String? = nil
  ) {
    lines += ["@dataclass(kw_only=True, slots=True)", "class \(name)(\(base)):"]
    lines += PythonText.docstring(doc, indent: "    ")
    if let method { lines += ["", "    METHOD: ClassVar[str] = \"\(method)\""] }
    if !fields.isEmpty { lines.append("") }
    for item in fields {
      let member = PythonText.member(item.name)
      var value = item.type.isOptional ? " = None" : ""
      if !PythonText.isRegular(item.name) {
        let fallback = item.type.isOptional ? "default=None, " : ""
        value = " = field(\(fallback)metadata={\"name\": \"\(item.name)\"})"
      }
      lines.append("    \(member): \(PythonText.type(item.type))\(value)")
      lines += PythonText.docstring(item.doc, indent: "    ")
    }
    lines += ["", ""]
  }

  private mutating func enumeration(_ enumeration: ProtocolFile.Enumeration) {
    let doc =
      enumeration.doc + (enumeration.open ? " Values that this version does not know keep their text." : "")
    lines.append("class \(enumeration.name)(\(enumeration.open ? "OpenEnum" : "StrEnum")):")
    lines += PythonText.docstring(doc, indent: "    ") + [""]
    for value in enumeration.values {
      lines.append("    \(PythonText.constant(value.name)) = \"\(value.name)\"")
      lines += PythonText.docstring(value.doc, indent: "    ")
    }
    lines += ["", ""]
  }

  /// What several requests take alike, as keywords (PEP 692).
  private mutating func options(_ mixin: ProtocolFile.Structure) {
    lines.append("class \(mixin.name)Options(TypedDict, total=False):")
    lines += PythonText.docstring("What may be absent of \(mixin.name), as keywords.", indent: "    ") + [""]
    lines += mixin.fields.filter(\.type.isOptional).map {
      "    \(PythonText.member($0.name)): \(PythonText.type($0.type))"
    }
    lines += ["", ""]
  }

  private mutating func events(_ files: ProtocolFiles) {
    lines.append("class EventKind(OpenEnum):")
    lines += PythonText.docstring("The kinds of event that this version journals.", indent: "    ") + [""]
    for event in files.files.flatMap({ $0.events ?? [] }) {
      lines.append("    \(PythonText.constant(event.name)) = \"\(event.name)\"")
      let attributes = event.attributes.map(\.name).joined(separator: ", ")
      lines += PythonText.docstring(
        event.doc + (attributes.isEmpty ? "" : " Attributes: \(attributes)."), indent: "    ")
    }
    lines += ["", ""]
  }

  private mutating func alias(_ alias: ProtocolFile.Alias) {
    let builtin = ["RequestID": "int | str", "ProgressToken": "int | str", "EventValue": "str | int | bool"]
    let type = alias.type.form == .builtin ? builtin[alias.name] ?? "object" : PythonText.type(alias.type)
    lines.append("\(alias.name): TypeAlias = \(type)")
    lines += PythonText.docstring(alias.doc, indent: "")
  }
}

/// `notFound` is `NotFoundError`.
func pythonError(_ kind: String) -> String { pascalCase(kind) + "Error" }
