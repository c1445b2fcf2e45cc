import { each, type Program } from "../program.js";

/** What the shell itself brings. Those with a file of their own (eval, trap, exec …) are not here. */
export const SHELL_BUILTINS: Readonly<Record<string, Program>> = {
  ...each(
    `: true false echo test [ cd pushd popd dirs wait jobs fg bg times umask ulimit shift return break continue exit
     logout type caller help getopts let suspend expr`,
    {},
  ),
  printf: { options: { v: "" } },
  set: { options: { o: "" }, valued: "o" },
  shopt: { does: "dynamic", readsWith: "p q" },
  hash: { options: { p: "runsCode", r: "" } },
  history: { options: { "c d": "destructive", "w a n r s": "writes" } },
  bind: { does: "runsCode", readsWith: "l p P v V s S" },
  enable: { does: "runsCode", readsWith: "p a" },
  complete: { does: "runsCode", readsWith: "p" },
  compopt: {},
  compgen: { options: { "C F": "runsCode" }, valued: "A G W P S X" },
  fc: { does: "runsCode", readsWith: "l" },
  disown: { does: "background" },
};
