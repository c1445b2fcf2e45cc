import { Explanation } from "@drawbridge/contracts";
import type { Command } from "commander";
import { collect } from "../arguments.js";
import { readDocumentFile } from "../document-files.js";
import { usageError } from "../errors.js";
import { jsonObject } from "../json-object.js";
import { connect, type Shell } from "../shell.js";

interface ExplainOptions {
  readonly method?: string;
  readonly user?: string;
  readonly email?: string;
  readonly group?: readonly string[];
  readonly client?: string;
  readonly file?: readonly string[];
  readonly json?: boolean;
}

interface Explained {
  readonly target: string;
  readonly name: string | undefined;
  readonly text: string | undefined;
  readonly options: ExplainOptions;
}

export function addPolicyExplainCommand(policy: Command, shell: Shell): void {
  policy
    .command("explain")
    .argument("<target>")
    .argument("[name]", "of a tool, a prompt or a resource")
    .argument("[arguments]", "a JSON object; - reads it from standard input")
    .description("show for one operation every rule that speaks of it, and the one that decides")
    .option("--method <method>", "what is asked of the target", "tools/call")
    .option("--user <id>", "who asks (default: you)")
    .option("--email <address>", "the verified address of --user")
    .option("--group <group>", "a group of --user; may be given several times", collect)
    .option("--client <id>", "the OAuth client that is used")
    .option("-f, --file <file>", "as if this policy were live; may be given several times", collect)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      [
        "\nExamples:",
        `  drawbridge policy explain shop execute_sql '{"sql":"delete from orders"}'`,
        `  drawbridge policy explain shop execute_sql '{"sql":"select 1"}' --user alice --group engineering`,
        "  drawbridge policy explain shop search_objects -f shop-read.yaml",
      ].join("\n"),
    )
    .action(
      (
        ...[target, name, text, options, command]: [
          string,
          string | undefined,
          string | undefined,
          ExplainOptions,
          Command,
        ]
      ) => explain(shell, { target, name, text, options }, command),
    );
}

async function explain(
  shell: Shell,
  { target, name, text, options }: Explained,
  command: Command,
): Promise<void> {
  const { user, email, group, client, file = [] } = options;
  if (user === undefined && (email !== undefined || group !== undefined))
    throw usageError("--email and --group say who --user is; give --user as well");
  const argumentText = text === "-" ? await readDocumentFile("-", shell) : text;
  const candidates: string[] = [];
  for (const each of file) candidates.push(await readDocumentFile(each, shell));
  const { api } = await connect(shell, command);
  const explanation = await api.ask("/policies/explain", Explanation, {
    target,
    method: options.method,
    ...(name !== undefined && { name }),
    ...(argumentText !== undefined && { arguments: jsonObject(argumentText, "the arguments") }),
    ...(user !== undefined && {
      principal: { id: user, groups: group ?? [], ...(email !== undefined && { email }) },
    }),
    ...(client !== undefined && { client }),
    ...(candidates.length > 0 && { candidates }),
  });
  if (options.json) shell.output.json(explanation);
  else show(shell, explanation);
}

function show({ output }: Shell, explanation: Explanation): void {
  const { effect, reason, message, tool, listed, rules, limits = [], facts } = explanation;
  output.line(`${effect}: ${reason}`);
  if (message !== undefined) output.line(`says: ${message}`);
  if (tool === "quarantined")
    output.line(
      "the tool is quarantined: its definition has changed or is suspicious (drawbridge tools show)",
    );
  output.line(listed ? "lists show it" : "lists do not show it");
  for (const limit of limits) output.line(`limit: ${limit}`);
  output.line();
  output.table(
    ["", "POLICY", "RULE", "WRITTEN", "CONDITION", "COMES TO", "WHY"],
    rules.map((rule) => [
      rule.decisive ? "*" : " ",
      `${rule.policy} ${rule.version === 0 ? "(candidate)" : `v${rule.version}`}`,
      rule.rule,
      rule.written,
      rule.condition,
      rule.matched ? rule.effect : "nothing",
      rule.says,
    ]),
    "no rule speaks of this operation, so it is denied",
  );
  for (const [kind, known] of Object.entries(facts ?? {})) {
    output.line();
    output.line(`${kind}:`);
    for (const [fact, value] of Object.entries(known ?? {})) {
      const text = Array.isArray(value) ? value.join(", ") : String(value);
      if (text !== "" && value !== false) output.line(`  ${fact}: ${text}`);
    }
  }
}
