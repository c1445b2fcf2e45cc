import {
  PinnedToolDetail,
  PinnedToolPage,
  PinnedToolView,
  TOOL_FLAGS,
  type ToolFlag,
} from "@drawbridge/contracts";
import type { Command } from "commander";
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import { indentedJson } from "../indented-json.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";

interface JsonOption {
  readonly json?: boolean | undefined;
}

interface Tool {
  readonly target: string;
  readonly tool: string;
}

/** What operators do about tools whose definitions changed. */
export function addToolPinCommands(tools: Command, shell: Shell): void {
  tools
    .command("pinned")
    .argument("<target>")
    .description("list the tools a target ever showed, and which of them wait to be accepted")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge tools pinned shop")
    .action(async (target: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const path = `/targets/${encodeURIComponent(target)}/tools`;
      showPins(shell, await api.list<typeof PinnedToolView>(path, PinnedToolPage), json);
    });
  tools
    .command("show")
    .argument("<target>")
    .argument("<tool>")
    .description("show how a tool's definition differs from the accepted one")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge tools show shop execute_sql")
    .action((...[target, tool, { json }, command]: [string, string, JsonOption, Command]) =>
      show(shell, { target, tool, json }, command),
    );
  tools
    .command("accept")
    .argument("<target>")
    .argument("<tool>")
    .argument("<digest>", "of the definition that you looked at, as `tools show` prints it")
    .description("accept the definition of a tool: from now on it may be called as policies say")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge tools accept shop execute_sql 5f2c…")
    .action(
      async (...[target, tool, digest, { json }, command]: [string, string, string, JsonOption, Command]) => {
        const { api } = await connect(shell, command);
        const pin = await api.post(`${addressOf({ target, tool })}/accept`, PinnedToolView, { digest });
        if (json) shell.output.json(pin);
        else shell.output.line(`${tool} of ${target} is ${pin.state} as ${digest.slice(0, 12)}`);
      },
    );
}

function addressOf({ target, tool }: Tool): string {
  return `/targets/${encodeURIComponent(target)}/tools/${encodeURIComponent(tool)}`;
}

async function show(shell: Shell, { json, ...tool }: Tool & JsonOption, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const pin = await api.get(addressOf(tool), PinnedToolDetail);
  const { output } = shell;
  if (json) return output.json(pin);
  output.record({
    tool: pin.name,
    target: pin.target,
    state: pin.state,
    accepted: pin.acceptedDigest,
    "accepted at": pin.acceptedAt && time(pin.acceptedAt),
    "accepted by": pin.acceptedAt && (pin.acceptedBy ?? "nobody: it was the first one shown"),
    shown: pin.shownDigest,
    "shown since": time(pin.shownSince),
  });
  for (const flag of pin.flags) output.line(`suspicious: ${TOOL_FLAGS[flag as ToolFlag] ?? flag}`);
  output.line();
  output.block(difference(pin));
  if (pin.state === "quarantined") {
    output.line(`nobody can call it until somebody accepts it:`);
    output.line(`  drawbridge tools accept ${pin.target} ${pin.name} ${pin.shownDigest}`);
  }
}

/** Escaped on its way out, so that hidden characters show. */
function difference({ accepted, shown }: PinnedToolDetail): string {
  if (accepted === undefined || accepted === shown) return indentedJson(shown);
  return createTwoFilesPatch("accepted", "shown", indentedJson(accepted), indentedJson(shown), "", "", {
    headerOptions: FILE_HEADERS_ONLY,
  });
}

function showPins({ output }: Shell, items: readonly PinnedToolView[], json: boolean | undefined): void {
  if (json) return output.json({ items });
  output.table(
    ["TOOL", "STATE", "SHOWN SINCE", "ACCEPTED BY", "SUSPICIOUS"],
    items.map(({ name, state, shownSince, acceptedAt, acceptedBy, flags }) => [
      name,
      state,
      time(shownSince),
      acceptedAt && (acceptedBy ?? "first shown"),
      flags.join(", "),
    ]),
    "the target has not shown a tool yet; it does when a client first lists or calls one",
  );
}
