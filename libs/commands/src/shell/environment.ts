import type { Analysis } from "./analysis.js";

/** Variables by which a program is made to run, load or believe something else. */
const DANGEROUS = new RegExp(
  [
    "^(?:PATH|ENV|HOME|SHELL|SHELLOPTS|BASHOPTS|PROMPT_COMMAND|PS[0-4]|VISUAL|BROWSER|KUBECONFIG|DOCKER_HOST|CC|CXX|LD|AR)$",
    "^(?:LD_|DYLD_|BASH_|GIT_|LESS|MALLOC_|XDG_|HIST|SYSTEMD_|NPM_|PERL5|RUBY|PYTHON|MAN|ZDOTDIR|GLOBIGNORE|FCEDIT|GCONV|FPATH|CDPATH|TERMINFO|SSH_)",
    "(?:PAGER|EDITOR|OPTS?|OPTIONS|PATH|LIB|LIBS|_COMMAND|ASKPASS|CONFIG|RC|_HOME|WRAPPER|FLAGS|PRELOAD|STARTUP|_SHELL|_RSH)$",
  ].join("|"),
  "i",
);

/** Names that look like these and are not: they decide how things look. */
const HARMLESS = new Set([
  "HISTTIMEFORMAT",
  "LESSCHARSET",
  "MANWIDTH",
  "GIT_AUTHOR_DATE",
  "GIT_AUTHOR_NAME",
  "GIT_AUTHOR_EMAIL",
  "GIT_COMMITTER_DATE",
  "GIT_COMMITTER_NAME",
  "GIT_COMMITTER_EMAIL",
  "PYTHONUNBUFFERED",
  "PYTHONDONTWRITEBYTECODE",
  "PYTHONIOENCODING",
  "PYTHONHASHSEED",
]);

/** What it means that a line sets a variable of this name. */
export function judgeVariable(analysis: Analysis, name: string): void {
  if (name === "IFS") analysis.found.mark("dynamic");
  else if (!/^[A-Za-z_]\w*$/.test(name)) analysis.found.mark("dynamic");
  else if (/^[A-Z_0-9]+$/.test(name) && DANGEROUS.test(name) && !HARMLESS.has(name))
    analysis.found.mark("runsCode");
}
