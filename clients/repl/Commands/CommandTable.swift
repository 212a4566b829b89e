import ArgumentParser

/// All commands; their names are the first words of lines.
struct CommandTable: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "", subcommands: groups.flatMap(\.commands))

  static let groups: [(name: String, commands: [any REPLCommand.Type])] = [
    (
      "Images",
      [
        Pull.self, Push.self, PushIndex.self, Import.self, Save.self, Load.self, Images.self, History.self,
        InspectImage.self, Tag.self, RemoveImage.self, Verify.self,
      ]
    ),
    ("Builds", [Build.self, BuildContextList.self, BuildCache.self]),
    (
      "Containers",
      [
        Run.self, Create.self, Start.self, Stop.self, Restart.self, Kill.self, Wait.self, List.self,
        Inspect.self,
        Rename.self, Ports.self, Publish.self, Unpublish.self, Copy.self, Pause.self, Unpause.self,
        Update.self, Top.self, Stats.self,
        Logs.self,
        Attach.self, Exec.self, Diff.self, Commit.self, Export.self, Remove.self,
      ]
    ),
    ("Volumes", [VolumeCommand.self]),
    ("Networks", [Network.self]),
    ("Registries", [Login.self, Logout.self]),
    ("The engine", [Events.self, Disk.self, Prune.self, Info.self, Ping.self, Clear.self]),
  ]

  static var names: [String] { groups.flatMap(\.commands).map { $0._commandName } }

  static func command(_ name: String) -> (any REPLCommand.Type)? {
    groups.flatMap(\.commands).first { $0._commandName == name }
  }

  /// What a command does and takes.
  static func page(of command: any REPLCommand.Type, columns: Int = 100) -> String {
    helpMessage(for: command, columns: columns).replacing("USAGE:  ", with: "USAGE: ")
  }

  /// What somebody may have meant by a word that is no command: a near one, or the one for a word of other engines.
  static func meant(by word: String) -> String? {
    let elsewhere = [
      "ls": "ps, or images for images", "list": "ps, or images for images",
      "container": "ps, run, rm and others",
      "system": "info, disk or prune", "df": "disk", "builder": "build-cache or prune buildCache",
      "buildx": "build", "bake": "build", "explain": "build --explain", "version": "info", "search": "pull",
      "compose": "network and run",
      "docker": "the same without docker", "podman": "the same without podman", "stat": "stats",
      "shell": "exec -it", "sh": "exec -it", "delete": "rm, or rmi for images",
      "remove": "rm, or rmi for images",
      "cat": "cp", "?": "help", "cls": "clear", "log": "logs", "bye": "quit",
    ]
    return elsewhere[word].map { "did you mean \($0)?" }
      ?? didYouMean(word, among: names + ["help", "quit", "exit"])
  }
}
