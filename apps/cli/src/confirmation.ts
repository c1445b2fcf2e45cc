import { CliError, usageError } from "./errors.js";
import type { Shell } from "./shell.js";

/** Goes on only when somebody says yes. @throws CliError they did not, or there is nobody to ask and no `--yes` */
export async function confirm(shell: Pick<Shell, "ask">, question: string): Promise<void> {
  if (shell.ask === undefined) throw usageError("there is no terminal to confirm this on: add --yes");
  const answer = await shell.ask(`${question} [y/N] `);
  if (!/^y(?:es)?$/i.test(answer.trim())) throw new CliError("nothing was done");
}
