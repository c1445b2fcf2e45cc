import type { ShellFacts } from "../facts.js";

/** What is known of shell lines: of several, what holds of any of them (`parsed` and `readOnly`: of all). Never throws. */
export function shellFacts(_texts: readonly string[]): ShellFacts {
  return {
    parsed: false,
    reason: "shell lines are not understood yet",
    programs: [],
    readOnly: false,
    writes: true,
    destructive: true,
    privileges: true,
    runsCode: true,
    pipesIntoInterpreter: true,
    network: true,
    substitutions: true,
    dynamic: true,
    background: true,
    redirections: [],
    sql: [],
  };
}
