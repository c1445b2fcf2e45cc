import { each, type Program } from "../program.js";

const RUNS: Program = { does: "runsCode", readsWith: "version help" };
const INSTALLS: Program = { does: "writes network runsCode" };

/** Package managers of languages: their install scripts, tests and builds are code that is not looked into. */
export const DEVELOPMENT: Readonly<Record<string, Program>> = {
  ...each(
    `make gmake cmake ninja meson bazel gradle gradlew mvn ant sbt lein rake bundle composer mix stack cabal
     npx pnpx bunx uvx pipx tox nox pytest jest vitest mocha tsc eslint prettier webpack vite rollup esbuild tsx ts-node
     java javac kotlin scala clang gcc g++ cc c++ ld rustc ghc dotnet msbuild swift xcodebuild zig ansible
     ansible-playbook packer vagrant pulumi terragrunt serverless cdk sam code vim vi nvim nano emacs pico joe micro
     gdb lldb strace ltrace perf valgrind screen tmux expect parallel script watchman entr inotifywait systemd-run
     osascript open xdg-open start pre-commit ldd rundll32 wsl vagrant poetry pdm hatch conda mamba rustup nvm rbenv pyenv`,
    RUNS,
  ),
  ldd: { does: "runsCode", readsWith: "version" },
  vim: { does: "runsCode", readsWith: "version" },
  java: { does: "runsCode", readsWith: "version" },
  inotifywait: {},
  ...each("npm pnpm", {
    flags: "s silent g global v version json",
    valued: "prefix C dir w workspace",
    subcommands: {
      ...each(
        `ls list ll la view info show search outdated root bin prefix whoami explain why ping fund doctor query
         --version -v help licenses team`,
        {},
      ),
      audit: { options: {}, operands: { most: 0, beyond: "writes runsCode" } },
      config: {
        subcommands: {
          get: {},
          list: {},
          ls: {},
          set: { does: "runsCode writes" },
          delete: { does: "destructive" },
        },
      },
      cache: { subcommands: { ls: {}, verify: {}, clean: { does: "destructive" } } },
      ...each(
        "install i ci add update up upgrade rebuild link test t run run-script exec x start init create dlx pack prune dedupe publish",
        INSTALLS,
      ),
      ...each("uninstall remove rm un r unlink unpublish deprecate", { does: "destructive runsCode" }),
      pkg: { subcommands: { get: {}, set: { does: "writes" }, delete: { does: "destructive" } } },
    },
  }),
  yarn: {
    flags: "s silent v version",
    alone: INSTALLS,
    subcommands: {
      ...each("list info why outdated audit licenses help versions", {}),
      ...each("install add upgrade up run test exec dlx build start init", INSTALLS),
      ...each("remove cache unlink", { does: "destructive runsCode" }),
    },
  },
  ...each("pip uv", {
    flags: "q quiet v verbose V version disable-pip-version-check",
    subcommands: {
      ...each("list show freeze check help index inspect debug hash", {}),
      ...each("install download wheel sync add run tool", INSTALLS),
      ...each("uninstall remove cache", { does: "destructive" }),
      config: { subcommands: { list: {}, get: {}, debug: {}, set: { does: "runsCode writes" } } },
    },
  }),
  gem: {
    flags: "v version",
    subcommands: {
      ...each("list search info query which environment env help outdated contents dependency", {}),
      install: INSTALLS,
      update: INSTALLS,
      uninstall: { does: "destructive runsCode" },
      cleanup: { does: "destructive" },
    },
  },
  cargo: {
    flags: "V version q quiet v verbose locked offline list",
    subcommands: {
      ...each("version tree search metadata locate-project pkgid info help", {}),
      ...each(
        "build b check c test t run r bench doc clippy install update add fmt new init publish fix vendor",
        INSTALLS,
      ),
      ...each("clean uninstall remove yank rm", { does: "destructive" }),
    },
  },
  go: {
    flags: "",
    subcommands: {
      ...each("version doc help", {}),
      env: { options: { "w u": "runsCode" } },
      list: { options: { "toolexec e exec overlay modfile": "runsCode" } },
      ...each("build run test install get generate mod vet fmt tool work fix", INSTALLS),
      clean: { does: "destructive" },
    },
  },
  deno: {
    flags: "version V",
    subcommands: {
      ...each("info doc help types", {}),
      ...each("run test eval repl install task compile", INSTALLS),
    },
  },
  gh: {
    flags: "version",
    valued: "R repo",
    subcommands: {
      ...each(
        "pr issue run release workflow gist label cache secret variable ssh-key gpg-key ruleset project codespace",
        {
          valued: "R repo",
          subcommands: {
            ...each("list view status diff checks watch", {
              does: "network" as const,
              options: { "w web": "runsCode" },
            }),
            ...each(
              "create edit comment close reopen review ready rerun checkout download upload set enable disable clone lock unlock",
              { does: "writes network" as const },
            ),
            ...each("merge delete cancel archive delete-asset stop", {
              does: "destructive network" as const,
            }),
          },
        },
      ),
      repo: {
        subcommands: {
          ...each("list view", { does: "network" as const }),
          ...each("create clone fork sync edit", { does: "writes network" as const }),
          ...each("delete archive rename", { does: "destructive network" as const }),
        },
      },
      auth: { subcommands: { status: {} } },
      search: { does: "network" },
      api: {
        does: "network",
        options: { "X method f raw-field F field input": "destructive" },
        valued: "H header q jq t template",
      },
      ...each("status browse", { does: "network" }),
    },
  },
};
