import Testing

@testable import Dockerfile

/// Files of the shapes that people write, each with what must come of it.
@Suite struct RealShapesTests {
  private func keywords(_ text: String) throws -> [[Keyword]] {
    try Dockerfile(parsing: Array(text.utf8)).stages.map { $0.instructions.map(\.keyword) }
  }

  @Test func aServerInGo() throws {
    let text = #"""
      # syntax=docker/dockerfile:1
      ARG GO_VERSION=1.24
      ARG ALPINE=3.21

      FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine${ALPINE} AS build
      WORKDIR /src
      # Modules first: they change less often than the sources.
      RUN --mount=type=cache,target=/go/pkg/mod \
          --mount=type=bind,source=go.sum,target=go.sum \
          --mount=type=bind,source=go.mod,target=go.mod \
          go mod download -x
      ARG TARGETOS TARGETARCH
      RUN --mount=type=cache,target=/go/pkg/mod \
          --mount=type=cache,target=/root/.cache/go-build,id=build-$TARGETARCH \
          --mount=type=bind,target=. \
          CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
          go build -trimpath -ldflags="-s -w" -o /bin/server ./cmd/server

      FROM build AS test
      RUN --mount=type=bind,target=. go vet ./... && go test ./...

      FROM gcr.io/distroless/static-debian12:nonroot AS final
      COPY --link --from=build /bin/server /bin/
      EXPOSE 8080
      USER 65532:65532
      ENTRYPOINT [ "/bin/server" ]
      CMD ["--listen", ":8080"]
      """#
    let dockerfile = try Dockerfile(parsing: Array(text.utf8))
    #expect(dockerfile.stages.map(\.name) == ["build", "test", "final"])
    #expect(
      try keywords(text) == [
        [.workdir, .run, .arg, .run], [.run], [.copy, .expose, .user, .entrypoint, .cmd],
      ])
    guard case .run(let run) = dockerfile.stages[0].instructions[1].content else {
      Issue.record("no run")
      return
    }
    #expect(run.mounts.map(\.kind) == [.cache, .bind, .bind])
    #expect(run.command == .shell("go mod download -x"))
    let platform = BuildInputs.PlatformName(os: "linux", architecture: "amd64")
    let inputs = BuildInputs(buildPlatform: platform, targetPlatform: platform, target: "")
    let global = try GlobalScope(dockerfile, inputs)
    #expect(try global.expand(dockerfile.stages[0].base.image).text == "golang:1.24-alpine3.21")
    #expect(Linter.check(dockerfile, global) == [])
  }

  @Test func aSiteInNodeBehindNginx() throws {
    let text = #"""
      FROM node:22-slim AS base
      ENV PNPM_HOME="/pnpm"
      ENV PATH="$PNPM_HOME:$PATH"
      RUN corepack enable
      COPY . /app
      WORKDIR /app

      FROM base AS prod-deps
      RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm install --prod --frozen-lockfile

      FROM base AS build
      RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm install --frozen-lockfile
      RUN pnpm run build

      FROM nginx:1.27-alpine
      RUN rm -rf /usr/share/nginx/html/* \
       && { \
            echo 'server {'; \
            echo '  listen 80;'; \
            echo '  root /usr/share/nginx/html;'; \
            echo '}'; \
          } > /etc/nginx/conf.d/default.conf
      COPY --from=build --chown=nginx:nginx /app/dist/ /usr/share/nginx/html/
      COPY --from=2 /app/package.json /
      HEALTHCHECK --interval=30s --timeout=3s CMD wget -qO- http://localhost/ || exit 1
      STOPSIGNAL SIGQUIT
      EXPOSE 80 443
      CMD ["nginx", "-g", "daemon off;"]
      """#
    #expect(
      try keywords(text) == [
        [.env, .env, .run, .copy, .workdir], [.run], [.run, .run],
        [.run, .copy, .copy, .healthcheck, .stopsignal, .expose, .cmd],
      ])
    let dockerfile = try Dockerfile(parsing: Array(text.utf8))
    guard case .run(let run) = dockerfile.stages[3].instructions[0].content,
      case .shell(let command, _) = run.command
    else {
      Issue.record("no run")
      return
    }
    #expect(command.contains("echo '  listen 80;';"))
    #expect(command.hasSuffix("} > /etc/nginx/conf.d/default.conf"))
    #expect(dockerfile.stages[3].instructions[1].range.start.line == 23)
  }

  @Test func aServiceInPython() throws {
    let text = #"""
      ARG PYTHON_VERSION=3.13
      FROM python:${PYTHON_VERSION}-slim AS base
      ENV PYTHONDONTWRITEBYTECODE=1 \
          PYTHONUNBUFFERED=1 \
          # pip's own
          PIP_NO_CACHE_DIR=off
      ARG UID=10001
      RUN adduser --disabled-password --gecos "" --home "/nonexistent" \
          --shell "/sbin/nologin" --no-create-home --uid "${UID}" appuser
      RUN <<EOF
      set -e
      apt-get update
      apt-get install -y --no-install-recommends libpq5
      rm -rf /var/lib/apt/lists/*
      EOF
      COPY <<-"PY" /usr/local/bin/ready.py
      	import sys
      	print("$HOME", file=sys.stderr)
      PY
      COPY --chmod=0755 --exclude=*.pyc --exclude=tests . /srv/
      USER appuser
      LABEL org.opencontainers.image.title="service" \
            org.opencontainers.image.description="it serves\
       well"
      VOLUME ["/data"]
      ENTRYPOINT ["python3", "-m"]
      CMD ["uvicorn", "app:app"]
      """#
    let dockerfile = try Dockerfile(parsing: Array(text.utf8))
    let stage = dockerfile.stages[0]
    #expect(
      stage.instructions.map(\.keyword) == [
        .env, .arg, .run, .run, .copy, .copy, .user, .label, .volume, .entrypoint, .cmd,
      ])
    guard case .env(let environment) = stage.instructions[0].content,
      case .run(let script) = stage.instructions[3].content,
      case .shell(_, let heredocs) = script.command, case .copy(let inline) = stage.instructions[4].content,
      case .copy(let copy) = stage.instructions[5].content,
      case .label(let labels) = stage.instructions[7].content
    else {
      Issue.record("not the instructions that were written")
      return
    }
    #expect(
      environment.map(\.name.text) == ["PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PIP_NO_CACHE_DIR"])
    #expect(heredocs.first?.content.hasPrefix("set -e\napt-get update\n") == true)
    #expect(inline.inline.first?.content == "import sys\nprint(\"$HOME\", file=sys.stderr)\n")
    #expect(inline.inline.first?.expands == false)
    #expect(copy.excludes.map(\.text) == ["*.pyc", "tests"])
    #expect(labels.map(\.value.text) == ["\"service\"", "\"it serves well\""])
  }
}
