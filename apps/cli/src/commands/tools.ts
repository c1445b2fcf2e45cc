import type { CallToolResult, ContentBlock, Progress, Tool } from "@modelcontextprotocol/client";
import type { Command } from "commander";
import { durationSeconds } from "../arguments.js";
import { readDocumentFile } from "../document-files.js";
import { CliError, usageError } from "../errors.js";
import { callUntilDecided, stillHeld } from "../held-call.js";
import { indentedJson } from "../indented-json.js";
import { jsonObject } from "../json-object.js";
import { withTarget } from "../mcp-client.js";
import { connect, type Shell } from "../shell.js";
import { oneLine, shortened } from "../terminal-text.js";
import { addToolPinCommands } from "./tool-pins.js";

interface CallOptions {
  readonly raw?: boolean;
  readonly json?: boolean;
  readonly wait: boolean;
  /** Seconds. */
  readonly timeout: number;
}

const DESCRIPTION_LENGTH = 80;
const DEFAULT_TIMEOUT_SECONDS = 900;

export function addToolCommands(program: Command, shell: Shell): void {
  const toolsCommand = program.command("tools").description("the tools of a target");
  addToolPinCommands(toolsCommand, shell);
  toolsCommand
    .command("list", { isDefault: true })
    .argument("<target>")
    .description("list the tools of a target that you may use")
    .option("--json", "print JSON, with the schemas")
    .addHelpText("after", "\nExample:\n  drawbridge tools shop")
    .action((target: string, options: { json?: boolean }, command: Command) =>
      tools(shell, { target, json: options.json ?? false }, command),
    );
  program
    .command("call")
    .argument("<target>")
    .argument("<tool>")
    .argument("[arguments]", "a JSON object; - reads it from standard input")
    .description("call a tool")
    .option("--raw", "write the text of the result as it is, for a file or a pipe")
    .option(
      "--timeout <duration>",
      "how long to wait without a sign of progress",
      durationSeconds,
      DEFAULT_TIMEOUT_SECONDS,
    )
    .option("--no-wait", "fail when people have to decide first, instead of waiting until they have")
    .option("--json", "print the whole result as JSON")
    .addHelpText(
      "after",
      `\nExample:\n  drawbridge call shop execute_sql '{"sql":"select * from customers limit 3"}'`,
    )
    .action(
      (
        ...[target, tool, text, options, command]: [string, string, string | undefined, CallOptions, Command]
      ) => call(shell, { target, tool, text: text ?? "{}", options }, command),
    );
}

async function tools(
  shell: Shell,
  { target, json }: { target: string; json: boolean },
  command: Command,
): Promise<void> {
  const connection = await connect(shell, command);
  const found = await withTarget(shell, { connection, target }, ({ client }) =>
    client.listTools(undefined, { signal: shell.signal }),
  );
  if (json) return shell.output.json({ items: found.tools });
  shell.output.table(
    ["TOOL", "ARGUMENTS", "DESCRIPTION"],
    found.tools.map((tool) => [
      tool.name,
      argumentNames(tool),
      shortened(oneLine((tool.description ?? "").trim().split("\n")[0] ?? ""), DESCRIPTION_LENGTH),
    ]),
    `no policy lets you use a tool of ${target}`,
  );
}

/** `sql, limit?`: what a question mark follows may be left out. */
function argumentNames({ inputSchema: { properties = {}, required = [] } }: Tool): string {
  return Object.keys(properties)
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .join(", ");
}

interface ToolCall {
  readonly target: string;
  readonly tool: string;
  readonly text: string;
  readonly options: CallOptions;
}

async function call(
  shell: Shell,
  { target, tool, text, options }: ToolCall,
  command: Command,
): Promise<void> {
  const { output, signal } = shell;
  if (options.raw && output.isTerminal) {
    throw usageError(
      "--raw writes whatever the tool says, which a terminal would obey; send it to a file or a pipe",
    );
  }
  const argumentText = text === "-" ? await readDocumentFile("-", shell) : text;
  const parameters = { name: tool, arguments: jsonObject(argumentText, "the arguments") };
  const connection = await connect(shell, command);
  const result = await withTarget(shell, { connection, target, tool }, async ({ client, recordingId }) => {
    const recording = recordingId();
    if (recording !== undefined) output.notice(`recording ${recording}`);
    const tell = tellOnce(shell);
    const callOnce = (): Promise<CallToolResult> =>
      client.callTool(parameters, {
        signal,
        timeout: options.timeout * 1000,
        resetTimeoutOnProgress: true,
        onprogress: (progress) => tell(progressText(progress)),
      });
    if (!options.wait) return callOnce();
    return callUntilDecided(shell, { target, tool, api: connection.api, call: callOnce });
  });
  const held = options.wait ? undefined : stillHeld(result);
  if (held !== undefined) throw held;
  showResult(shell, result, options);
  if (result.isError === true) throw new CliError(`${tool} reported an error`);
}

/** What waits says the same again and again, to be seen to be alive. */
function tellOnce({ output }: Shell): (text: string) => void {
  let last: string | undefined;
  return (text) => {
    if (text !== last) output.notice(text);
    last = text;
  };
}

function showResult({ output }: Shell, result: CallToolResult, { json, raw }: CallOptions): void {
  if (json) return output.json(result);
  for (const block of result.content) {
    if (raw) output.exact(block.type === "text" ? block.text : "");
    else output.block(readable(block));
  }
  if (result.content.length === 0 && result.structuredContent !== undefined)
    output.json(result.structuredContent);
}

function readable(block: ContentBlock): string {
  switch (block.type) {
    case "text":
      return indentedJson(block.text);
    case "image":
    case "audio":
      return `[${block.type} ${block.mimeType}, ${block.data.length} characters of base64; --json prints it]`;
    case "resource":
      return "text" in block.resource
        ? `[resource ${block.resource.uri}]\n${indentedJson(block.resource.text)}`
        : `[resource ${block.resource.uri}, binary; --json prints it]`;
    case "resource_link":
      return `[link ${block.uri}] ${block.name}`;
  }
}

function progressText({ progress, total, message }: Progress): string {
  const position = total === undefined ? `${progress}` : `${progress} of ${total}`;
  return message === undefined ? `… ${position}` : `… ${message}`;
}
