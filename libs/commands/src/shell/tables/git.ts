import { each, type Program } from "../program.js";

/** Options by which a reading git command runs a program or writes a file. */
const LOOKS: Program = {
  options: { output: "writes", "ext-diff O open-files-in-pager upload-pack exec": "runsCode" },
  valued: "n S G U L",
};
const REMOTE = { "upload-pack receive-pack exec u template c config": "runsCode" } as const;

export const GIT: Program = {
  flags:
    "P no-pager p paginate no-replace-objects bare literal-pathspecs no-optional-locks icase-pathspecs glob-pathspecs",
  options: { "exec-path git-dir work-tree config-env namespace super-prefix attr-source": "runsCode" },
  // -c is looked at on its own.
  valued: "C c",
  subcommands: {
    ...each(
      `log show diff status blame annotate shortlog describe rev-parse rev-list ls-files ls-tree cat-file
       name-rev merge-base count-objects verify-commit verify-tag diff-tree diff-index diff-files whatchanged cherry
       range-diff check-ignore check-attr check-mailmap for-each-ref show-ref show-branch var help version
       merge-tree hash-object patch-id get-tar-commit-id stripspace`,
      LOOKS,
    ),
    "hash-object": { options: { w: "writes" } },
    diff: { options: { output: "writes", "ext-diff": "runsCode" }, valued: "S G U O" },
    log: { options: { output: "writes", "ext-diff": "runsCode" }, valued: "n S G U L O" },
    show: { options: { output: "writes", "ext-diff": "runsCode" }, valued: "n S G U L O" },
    status: {},
    fsck: { options: { "lost-found": "writes" } },
    grep: { options: { "O open-files-in-pager": "runsCode" }, valued: "e f A B C m" },
    "ls-remote": { does: "network", options: REMOTE },
    archive: { options: { "o output": "writes", "remote exec": "runsCode" } },
    "format-patch": { does: "writes" },
    branch: {
      options: {
        "d D delete f force M m move C": "destructive",
        "edit-description": "runsCode",
        "u set-upstream-to unset-upstream c copy t track": "writes",
      },
      valued: "contains no-contains merged no-merged points-at format sort set-upstream-to u",
      operands: { most: 0, beyond: "writes" },
    },
    tag: {
      options: { "d delete f force": "destructive" },
      valued: "m F u n contains sort format points-at message",
      operands: { most: 0, beyond: "writes" },
    },
    remote: {
      flags: "v verbose",
      alone: {},
      subcommands: {
        show: { does: "network" },
        "get-url": {},
        add: { does: "writes", options: { f: "network" } },
        ...each("set-url set-head set-branches rename update", { does: "writes network" }),
        ...each("remove rm prune", { does: "destructive" }),
      },
    },
    stash: {
      flags: "k keep-index u include-untracked a all q quiet",
      alone: { does: "writes" },
      valued: "m message",
      subcommands: {
        ...each("list show", LOOKS),
        ...each("push save apply pop create store branch", { does: "writes" }),
        ...each("drop clear", { does: "destructive" }),
      },
    },
    reflog: {
      flags: "",
      alone: {},
      subcommands: {
        show: {},
        exists: {},
        list: {},
        ...each("expire delete", { does: "destructive" }),
        HEAD: {},
      },
    },
    worktree: {
      subcommands: {
        list: {},
        ...each("add lock unlock move repair", { does: "writes" }),
        ...each("remove prune", { does: "destructive" }),
      },
    },
    submodule: {
      flags: "q quiet",
      alone: {},
      subcommands: {
        status: {},
        summary: {},
        ...each("init update add sync absorbgitdirs", { does: "writes network runsCode" }),
        foreach: { does: "runsCode" },
        deinit: { does: "destructive" },
      },
    },
    bisect: {
      subcommands: {
        ...each("log view visualize", {}),
        ...each("start good bad skip reset", { does: "writes" }),
        run: { does: "runsCode" },
      },
    },
    notes: {
      alone: {},
      subcommands: {
        list: {},
        show: {},
        ...each("add append copy merge", { does: "writes" }),
        ...each("remove prune", { does: "destructive" }),
      },
    },
    add: { does: "writes", options: { "e edit": "runsCode" } },
    commit: { does: "writes", options: {}, valued: "m F C c t author date message file" },
    ...each(
      "mv init am merge revert cherry-pick sparse-checkout maintenance update-index read-tree write-tree commit-tree commit-graph pack-refs repack multi-pack-index rerere bundle",
      { does: "writes" },
    ),
    "read-tree": { does: "writes", options: { "empty reset u": "destructive" } },
    init: { does: "writes", options: { template: "runsCode" } },
    apply: {
      does: "writes",
      options: { "R reverse": "destructive" },
      readsWith: "stat numstat summary check",
    },
    merge: { does: "writes" },
    fetch: { does: "writes network", options: { ...REMOTE, "P prune-tags f force": "destructive" } },
    pull: {
      does: "writes network",
      options: { "upload-pack exec": "runsCode", "f force prune": "destructive" },
    },
    clone: { does: "writes network", options: REMOTE, valued: "b o depth branch origin j reference" },
    push: {
      does: "writes network",
      options: {
        "receive-pack exec": "runsCode",
        "f force force-with-lease force-if-includes d delete mirror prune": "destructive",
      },
      valued: "o push-option repo",
    },
    rebase: {
      does: "writes",
      options: { "x exec i interactive edit-todo": "runsCode" },
      valued: "onto s X C",
    },
    reset: { does: "writes", options: { "hard merge keep": "destructive" } },
    restore: { does: "destructive" },
    checkout: {
      does: "writes",
      options: { "f force B ours theirs p patch pathspec-from-file": "destructive" },
      valued: "b orphan",
    },
    switch: {
      does: "writes",
      options: { "f force discard-changes C force-create": "destructive" },
      valued: "c orphan",
    },
    // See git-calls.ts.
    config: {},
    clean: { does: "destructive", valued: "e", readsWith: "n dry-run" },
    rm: { does: "destructive", readsWith: "n dry-run" },
    ...each("gc prune filter-branch filter-repo update-ref symbolic-ref replace fast-import lfs", {
      does: "destructive",
    }),
    "symbolic-ref": { options: { "d delete": "destructive" }, operands: { most: 1, beyond: "destructive" } },
    "filter-branch": { does: "destructive runsCode" },
    gc: { does: "writes", options: { "prune aggressive": "destructive" } },
  },
};
