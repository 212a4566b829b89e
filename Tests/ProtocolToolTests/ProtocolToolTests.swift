import Foundation
import SystemPackage
import TestSupport
import Testing

/// Runs `protocol-tool` on the project's own files, and on changed ones.
@Suite("protocol-tool")
struct ProtocolToolTests {
  private let root = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .removingLastComponent()

  private func tool(_ arguments: [String]) async throws -> ChildProcess.Result {
    let built =
      ProcessInfo.processInfo.environment["CORACLE_BIN_DIR"]
      ?? FilePath(CommandLine.arguments[0]).removingLastComponent().string
    return try await ChildProcess.run(["\(built)/protocol-tool"] + arguments)
  }

  /// What a change of one file, in Python on the value `d`, breaks: for clients of the files as they are, and of what a release
  /// would leave of them.
  private func breaks(_ noun: String, _ change: String) async throws -> [Substring] {
    try await withTemporaryDirectory { directory in
      let script = """
        import json, shutil, sys
        shutil.copytree(sys.argv[1], sys.argv[2])
        path, base = f"{sys.argv[2]}/{sys.argv[3]}.json", f"{sys.argv[2]}/base.json"
        def version(number):
            with open(base) as file: whole = json.load(file)
            whole["version"] = number
            with open(base, "w") as file: json.dump(whole, file)
        d = json.load(open(path))
        named = lambda list, name: next(e for e in d[list] if name in (e.get("method"), e.get("name")))
        member = lambda fields, name: next(f for f in fields if f["name"] == name)
        exec(sys.argv[4])
        json.dump(d, open(path, "w"))
        """
      let old = root.appending("protocol").string
      let new = directory.appending("new").string
      let changed = try await ChildProcess.run(["python3", "-c", script, old, new, noun, change])
      #expect(changed.succeeded, "\(changed.errorText)")
      let result = try await tool(["compare", old, new])
      #expect(result.errorText.isEmpty && result.status == .exited(result.text.isEmpty ? 0 : 1))
      let left = try await ChildProcess.run(["cp", "-r", old, directory.string])
      #expect(left.succeeded)
      #expect(try await tool(["release", "--root", directory.string]).succeeded)
      let names = try await ChildProcess.run(["ls", directory.appending("protocol/released").string])
      let newest = try #require(names.text.split(separator: "\n").last)
      let released = try await tool([
        "compare", directory.appending("protocol/released/\(newest)").string, new,
      ])
      #expect(released.text == result.text && released.status == result.status)
      return result.text.split(separator: "\n")
    }
  }

  @Test(
    "what breaks older clients is told",
    arguments: [
      ("container", "d['requests'].remove(named('requests', 'container/top'))", "container/top is gone"),
      (
        "container",
        "named('requests', 'container/start')['params'].append({'name': 'mood', 'type': 'string', 'doc': ''})",
        "container/start: mood is new and has to be given"
      ),
      (
        "container", "member(named('requests', 'container/stop')['params'], 'signal')['type'] = 'string'",
        "container/stop: signal has to be given now"
      ),
      (
        "container", "member(named('requests', 'container/stop')['params'], 'timeoutMs')['max'] = 10",
        "container/stop: timeoutMs takes a narrower range"
      ),
      (
        "container", "member(named('requests', 'container/stop')['result'], 'exit')['type'] = 'ExitStatus?'",
        "container/stop's result: exit can be absent now"
      ),
      (
        "container", "named('requests', 'container/stop')['result'].clear()",
        "container/stop's result: exit is gone"
      ),
      (
        "container", "named('requests', 'container/top')['since'] = '0.0'",
        "container/top is there since 0.1 and says 0.0"
      ),
      (
        "container",
        "version('9.0'); d['requests'].append(dict(named('requests', 'container/top'), method='container/dance'))",
        "container/dance is new and says that it is there since 0.1"
      ),
      (
        "container",
        "d['requests'].append(dict(named('requests', 'container/top'), method='container/dance', since='9.0'))",
        "container/dance is there since 9.0, which is yet to come"
      ),
      (
        "container", "member(named('structures', 'ExitStatus')['fields'], 'code')['type'] = 'string'",
        "ExitStatus: code is string and was integer"
      ),
      (
        "container",
        "f = named('structures', 'ContainerSummary')['fields']; f.remove(member(f, 'name'))",
        "ContainerSummary: name is gone"
      ),
      (
        "container",
        "named('enumerations', 'Lifetime')['values'].append({'name': 'eternal', 'doc': ''})",
        "Lifetime: eternal is new, and older clients cannot read it"
      ),
      (
        "container", "v = named('enumerations', 'WaitKind')['values']; v.remove(member(v, 'healthy'))",
        "WaitKind: healthy is gone"
      ),
      (
        "event", "d['notifications'].remove(named('notifications', 'event/ended'))", "event/ended is gone"
      ),
      ("event", "d['events'].remove(named('events', 'image.pulled'))", "image.pulled is gone"),
      (
        "event", "member(named('events', 'container.exited')['attributes'], 'exitCode')['type'] = 'string'",
        "container.exited: exitCode is string and was integer"
      ),
      (
        "event", "named('events', 'container.exited')['attributes'].pop(0)", "container.exited: name is gone"
      ),
      ("error", "d['codes'].remove(named('codes', 'InternalError'))", "InternalError is gone"),
      (
        "error", "named('codes', 'InternalError')['code'] = -32000", "InternalError is -32000 and was -32603"
      ),
      (
        "error", "v = named('enumerations', 'ErrorKind')['values']; v.remove(member(v, 'notFound'))",
        "ErrorKind: notFound is gone"
      ),
      (
        "container", "named('requests', 'container/stop')['errors'].remove('notFound')",
        "container/stop names notFound no more"
      ),
      (
        "container", "v = named('enumerations', 'HealthState')['values']; v.remove(member(v, 'starting'))",
        "HealthState: starting is gone"
      ),
      ("image", "named('requests', 'image/pull')['tasks'] = False", "image/pull reports no tasks any more"),
      (
        "event", "named('notifications', 'event/occurred')['direction'] = 'both'",
        "event/occurred is both and was serverToClient"
      ),
      (
        "event", "named('notifications', 'event/occurred')['delivery'] = 'coalesce'",
        "event/occurred is coalesce and was mustDeliver"
      ),
      (
        "event", "named('events', 'image.pulled')['subject'] = 'its reference'",
        "image.pulled is of 'its reference' and was of 'the image's digest'"
      ),
      ("error", "d['anyRequest'].remove('noSpace')", "noSpace is any request's no more"),
      (
        "stream", "member(d['aliases'], 'StreamID')['type'] = 'integer'", "StreamID is integer and was string"
      ),
    ])
  func breaking(noun: String, change: String, sentence: String) async throws {
    #expect(try await breaks(noun, change) == [Substring(sentence)])
  }

  @Test(
    "what older clients do not notice is not told",
    arguments: [
      ("container", "pass"),
      (
        "container",
        "version('9.0'); d['requests'].append(dict(named('requests', 'container/top'), method='container/dance', since='9.0'))"
      ),
      (
        "container",
        "named('requests', 'container/start')['params'].append({'name': 'mood', 'type': 'string?', 'doc': ''})"
      ),
      (
        "container",
        "named('structures', 'ContainerSummary')['fields'].append({'name': 'mood', 'type': 'string', 'doc': ''})"
      ),
      ("container", "named('enumerations', 'HealthState')['values'].append({'name': 'dizzy', 'doc': ''})"),
      ("container", "named('enumerations', 'WaitKind')['values'].append({'name': 'quiet', 'doc': ''})"),
      ("container", "member(named('requests', 'container/stop')['params'], 'timeoutMs')['max'] = 10**12"),
      ("container", "named('requests', 'container/stop')['errors'].append('unreachable')"),
      ("event", "d['events'].append(dict(named('events', 'image.pulled'), name='image.danced'))"),
      (
        "event",
        "named('events', 'image.pulled')['attributes'].append({'name': 'mood', 'type': 'string', 'doc': ''})"
      ),
      ("error", "named('enumerations', 'ErrorKind')['values'].append({'name': 'bored', 'doc': ''})"),
    ])
  func compatible(noun: String, change: String) async throws {
    #expect(try await breaks(noun, change) == [])
  }

  @Test("what a release would promise is written down, and who changes a promise is told what to run")
  func released() async throws {
    try await withTemporaryDirectory { directory in
      for path in [
        "protocol", "Sources/RPCModel/Generated", "Sources/Service/Generated",
        "clients/python/src/coracle/generated",
      ] {
        let place = directory.appending(path)
        let copied = try await ChildProcess.run([
          "sh", "-c", #"mkdir -p "$2" && cp -r "$1/." "$2""#, "sh", root.appending(path).string, place.string,
        ])
        #expect(copied.succeeded, "\(copied.errorText)")
      }
      let fresh = try await tool(["check", "--root", directory.string])
      #expect(fresh.succeeded, "\(fresh.errorText)")
      // A promise that no generated file shows.
      let changed = try await ChildProcess.run([
        "sed", "-i", #"s/"open": true/"open": false/"#, directory.appending("protocol/task.json").string,
      ])
      #expect(changed.succeeded)
      #expect(try await tool(["generate", "--root", directory.string]).succeeded)
      let stale = try await tool(["check", "--root", directory.string])
      #expect(stale.status == .exited(1))
      let told = stale.errorText.split(separator: "\n")
      #expect(told.count == 1 && told[0].hasSuffix(".json is stale; run protocol-tool release"), "\(told)")
      #expect(try await tool(["release", "--root", directory.string]).succeeded)
      #expect(try await tool(["check", "--root", directory.string]).succeeded)
    }
  }

  @Test("an older protocol may lack nouns, and a newer one may not")
  func nouns() async throws {
    try await withTemporaryDirectory { directory in
      let (whole, part) = (root.appending("protocol").string, directory.appending("part").string)
      let copied = try await ChildProcess.run([
        "sh", "-c",
        #"cp -r "$1" "$2" && rm "$2"/registry.json && sed -i 's/"version": "[0-9.]*"/"version": "0.0"/' "$2"/base.json"#,
        "sh", whole, part,
      ])
      #expect(copied.succeeded)
      #expect(try await tool(["compare", part, whole]).status == .exited(0))
      #expect(try await tool(["compare", whole, part]).status != .exited(0))
    }
  }

  @Test("openrpc.json: OpenRPC's own schema takes it")
  func metaSchema() async throws {
    let script = """
      import json, sys, jsonschema
      meta, document = (json.load(open(path)) for path in sys.argv[1:])
      draft = jsonschema.Draft7Validator
      # What it says of types is JSON Schema's own, which jsonschema has.
      store = {name: draft.META_SCHEMA for name in ("https://meta.json-schema.tools", "https://meta.json-schema.tools/")}
      validator = draft(meta, resolver=jsonschema.RefResolver.from_schema(meta, store=store))
      validator.validate(document)
      document["methods"][0]["summary"] = 3
      assert not validator.is_valid(document)
      """
    let result = try await ChildProcess.run([
      "/usr/bin/python3", "-W", "ignore", "-c", script,
      root.appending("Tests/ProtocolToolTests/openrpc-meta-schema.json").string,
      root.appending("protocol/openrpc.json").string,
    ])
    #expect(result.succeeded, "\(result.errorText)")
  }

  @Test("openrpc.json: each schema is JSON Schema, and each example fits its own")
  func openRPC() async throws {
    let script = """
      import json, sys, jsonschema
      d = json.load(open(sys.argv[1]))
      assert d["openrpc"].startswith("1.3.") and {"title", "version"} <= set(d["info"])
      checked = 0
      def fits(value, schema):
          global checked
          whole = {"components": d["components"], **schema}
          jsonschema.Draft7Validator.check_schema(schema)
          jsonschema.Draft7Validator(whole).validate(value)
          checked += 1
      for schema in d["components"]["schemas"].values():
          jsonschema.Draft7Validator.check_schema(schema)
      names = [m["name"] for m in d["methods"]]
      assert len(set(names)) == len(names)
      for method in d["methods"]:
          params = {p["name"]: p for p in method["params"]}
          assert len(params) == len(method["params"])
          codes = [e["code"] for e in method.get("errors", [])]
          assert len(set(codes)) == len(codes) and all(e["message"] for e in method.get("errors", []))
          order = [p["required"] for p in method["params"]]
          assert order == sorted(order, reverse=True), method["name"]
          for example in method["examples"]:
              given = {p["name"]: p["value"] for p in example["params"]}
              assert {n for n, p in params.items() if p["required"]} <= set(given)
              for name, value in given.items(): fits(value, params[name]["schema"])
              fits(example["result"]["value"], method["result"]["schema"])
      print(len(names), checked)
      """
    let result = try await ChildProcess.run([
      "/usr/bin/python3", "-W", "ignore", "-c", script, root.appending("protocol/openrpc.json").string,
    ])
    #expect(result.succeeded, "\(result.errorText)")
    let numbers = result.text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    #expect(numbers.count == 2 && numbers.allSatisfy { $0 > 50 }, "\(result.text)")
  }
}
