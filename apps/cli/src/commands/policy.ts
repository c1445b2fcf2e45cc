import { PolicyPage, PolicyView } from "@drawbridge/contracts";
import type { Command } from "commander";
import { count } from "../arguments.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";
import { addPolicyApplyCommands } from "./policy-apply.js";
import { addPolicyBacktestCommand } from "./policy-backtest.js";
import { addPolicyExplainCommand } from "./policy-explain.js";
import { addPolicyTestCommand } from "./policy-test.js";

interface JsonOption {
  readonly json?: boolean;
}

export function addPolicyCommands(program: Command, shell: Shell): void {
  const policy = program.command("policy").alias("policies").description("who may do what");
  policy
    .command("list", { isDefault: true })
    .description("list the live policies")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy list")
    .action(async ({ json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      showPolicies(shell, await api.list<typeof PolicyView>("/policies", PolicyPage), json);
    });
  policy
    .command("versions")
    .argument("<name>")
    .description("list every version a policy ever had")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy versions shop-read")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const path = `/policies/${encodeURIComponent(name)}/versions`;
      showPolicies(shell, await api.list<typeof PolicyView>(path, PolicyPage), json);
    });
  policy
    .command("get")
    .argument("<name>")
    .argument("[version]", "an older one; the live one unless given", count)
    .description("print a policy as it was written")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      [
        "\nExamples:",
        "  drawbridge policy get shop-read > shop-read.yaml",
        "  drawbridge policy get shop-read 3 | drawbridge policy apply -f -    # back to version 3",
      ].join("\n"),
    )
    .action(
      async (...[name, version, { json }, command]: [string, number | undefined, JsonOption, Command]) => {
        const { api } = await connect(shell, command);
        const of = version === undefined ? "" : `/versions/${version}`;
        const found = await api.get(`/policies/${encodeURIComponent(name)}${of}`, PolicyView);
        if (json) shell.output.json(found);
        else shell.output.exact(found.source);
      },
    );
  addPolicyApplyCommands(policy, shell);
  addPolicyTestCommand(policy, shell);
  addPolicyExplainCommand(policy, shell);
  addPolicyBacktestCommand(policy, shell);
  policy
    .command("schema")
    .description("print the JSON Schema of policies, for editors")
    .option("--json", "JSON is all there is")
    .addHelpText("after", "\nExample:\n  drawbridge policy schema > policy.schema.json")
    .action(async () => {
      const { policyJsonSchema } = await import("@drawbridge/policy");
      shell.output.json(policyJsonSchema());
    });
  policy
    .command("delete")
    .argument("<name>")
    .description("remove a policy: what only it allowed is refused from now on")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy delete shop-read")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      await api.delete(`/policies/${encodeURIComponent(name)}`);
      if (json) shell.output.json({ name, deleted: true });
      else shell.output.line(`policy ${name} deleted`);
    });
}

function showPolicies({ output }: Shell, items: readonly PolicyView[], json: boolean | undefined): void {
  if (json) return output.json({ items });
  output.table(
    ["NAME", "VERSION", "CHANGED", "BY", "DESCRIPTION"],
    items.map(({ name, version, createdAt, createdBy, description }) => [
      name,
      version,
      time(createdAt),
      createdBy,
      description,
    ]),
    "no policies, so nobody may do anything; add one: drawbridge policy apply -f FILE",
  );
}
