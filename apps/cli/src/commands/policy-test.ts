import { DIALECTS } from "@drawbridge/commands/facts";
import type { Command } from "commander";
import { collect } from "../arguments.js";
import type { TestOptions } from "../policy-testing.js";
import type { Shell } from "../shell.js";

export function addPolicyTestCommand(policy: Command, shell: Shell): void {
  policy
    .command("test")
    .description("check policies, and decide commands under them, without a control plane")
    .option("-f, --file <file>", "a policy; may be given several times (default: the starter rules)", collect)
    .option(
      "--jsonl [file]",
      'decide commands: reads {"id","dialect","text"} lines, writes {"id","decision","rule","facts"} lines; standard input unless a file is given',
    )
    .option("--target <name>", "the target they would be sent to", "test")
    .option(
      "--label <key=value>",
      "a label of that target instead of those of the starter rules; may be given several times",
      collect,
    )
    .option("--tool <name>", "the tool they would be sent to (default: execute_sql, run_command)")
    .option("--group <group>", "a group of who asks (default: every group the policies name)", collect)
    .addHelpText(
      "after",
      [
        `\nDialects: ${DIALECTS.join(", ")}.`,
        "\nExamples:",
        "  drawbridge policy test -f shop-read.yaml",
        `  echo '{"id":1,"dialect":"sh","text":"ls -l"}' | drawbridge policy test --jsonl`,
        "  drawbridge policy test --jsonl commands.jsonl --label commands=sql --label env=production",
      ].join("\n"),
    )
    .action(async (options: TestOptions) => {
      // Parsers and evaluation are a tenth of a second to load, which no other command needs.
      const { testPolicies } = await import("../policy-testing.js");
      await testPolicies(shell, options);
    });
}
