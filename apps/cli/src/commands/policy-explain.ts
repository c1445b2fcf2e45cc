import { Explanation, type RuleVoice } from "@drawbridge/contracts";
import type { Command } from "commander";
import { collect } from "../arguments.js";
import { readDocumentFile } from "../document-files.js";
import { usageError } from "../errors.js";
import { jsonObject } from "../json-object.js";
import type { Output } from "../output.js";
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

async function explain(shell: Shell, asked: Explained, command: Command): Promise<void> {
  const question = await questionOf(shell, asked);
  const { api } = await connect(shell, command);
  const explanation = await api.ask("/policies/explain", Explanation, question);
  if (asked.options.json) shell.output.json(explanation);
  else show(shell, explanation);
}

/** What is sent: members that are undefined are left out of JSON. */
async function questionOf(shell: Shell, { target, name, text, options }: Explained): Promise<object> {
  const candidates: string[] = [];
  for (const file of options.file ?? []) candidates.push(await readDocumentFile(file, shell));
  const argumentText = text === "-" ? await readDocumentFile("-", shell) : text;
  return {
    target,
    method: options.method,
    name,
    arguments: argumentText === undefined ? undefined : jsonObject(argumentText, "the arguments"),
    principal: principalOf(options),
    client: options.client,
    candidates: candidates.length > 0 ? candidates : undefined,
  };
}

function principalOf({ user, email, group }: ExplainOptions): object | undefined {
  if (user !== undefined) return { id: user, email, groups: group ?? [] };
  if (email === undefined && group === undefined) return undefined;
  throw usageError("--email and --group say who --user is; give --user as well");
}

function show({ output }: Shell, explanation: Explanation): void {
  showDecision(output, explanation);
  output.line();
  showRules(output, explanation.rules);
  for (const [kind, facts] of Object.entries(explanation.facts ?? {})) {
    output.line();
    output.line(`${kind}:`);
    for (const [fact, value] of Object.entries(facts ?? {})) {
      const text = Array.isArray(value) ? value.join(", ") : String(value);
      if (text !== "" && value !== false) output.line(`  ${fact}: ${text}`);
    }
  }
}

function showDecision(
  output: Output,
  { effect, reason, message, tool, listed, limits = [] }: Explanation,
): void {
  output.line(`${effect}: ${reason}`);
  if (message !== undefined) output.line(`says: ${message}`);
  if (tool === "quarantined")
    output.line(
      "the tool is quarantined: its definition has changed or is suspicious (drawbridge tools show)",
    );
  output.line(listed ? "lists show it" : "lists do not show it");
  for (const limit of limits) output.line(`limit: ${limit}`);
}

function showRules(output: Output, rules: readonly RuleVoice[]): void {
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
}
