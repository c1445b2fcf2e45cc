import { runBench } from "./bench.js";
import { parseOptions, USAGE } from "./options.js";
import { describePolicies, runPolicyBench } from "./policy-bench.js";
import { runProfile } from "./profile.js";
import { describe } from "./table.js";

export interface Output {
  /** The result. */
  readonly write: (text: string) => void;
  /** What happens meanwhile. */
  readonly say: (text: string) => void;
}

/** @throws when a case cannot be measured honestly */
export async function runCommandLine(args: readonly string[], { write, say }: Output): Promise<void> {
  const options = parseOptions(args);
  if (options.help) {
    write(USAGE);
    return;
  }
  if (options.policy) {
    const measured = await runPolicyBench({ isQuick: options.quick }, say);
    write(options.json ? `${JSON.stringify(measured)}\n` : `\n${describePolicies(measured)}\n`);
    return;
  }
  if (options.profile) {
    write(`${await runProfile(options, say)}\n`);
    return;
  }
  const result = await runBench(options, say);
  write(options.json ? `${JSON.stringify({ cases: result.cases })}\n` : `\n${describe(result)}\n`);
}
