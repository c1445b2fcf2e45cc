import { ApprovalView } from "@drawbridge/contracts";
import type { Command } from "commander";
import type { z } from "zod";
import { approvalLines, approvalName, type ApprovalWithPreview } from "../approval-text.js";
import { collectEdit, count, type Edits } from "../arguments.js";
import { confirm } from "../confirmation.js";
import { CliError, usageError } from "../errors.js";
import { findApproval } from "../find-approval.js";
import { reviewersText } from "../review-text.js";
import { connect, type Shell } from "../shell.js";
import { oneLine } from "../terminal-text.js";

interface ApproveOptions {
  readonly comment?: string;
  readonly set?: Edits;
  readonly sessionUses?: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

interface DenyOptions {
  readonly comment: string;
  readonly json?: boolean;
}

interface RevokeOptions {
  readonly reason: string;
  readonly json?: boolean;
}

const MAX_SESSION_USES = 1000;
const ID_HELP = "as lists show it, or whole";

export function addApprovalDecisionCommands(approvals: Command, shell: Shell): void {
  approvals
    .command("approve")
    .argument("<id>", ID_HELP)
    .description("let an operation run, once; shows it and asks first")
    .option("--comment <text>", "for whoever asked")
    .option(
      "--set <pointer=json>",
      "put this in place of an argument; may be given several times",
      collectEdit,
    )
    .option(
      "--session-uses <count>",
      "let the very same operation run so often again in its session without asking",
      count,
    )
    .option("--yes", "do not ask for confirmation")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nExamples:\n  drawbridge approvals approve 9f3c21aa --comment "go ahead"\n` +
        `  drawbridge approvals approve 9f3c21aa --set '/sql="update orders set note = null where id = 7"'`,
    )
    .action((...[id, options, command]: [string, ApproveOptions, Command]) =>
      approve(shell, { id, options }, command),
    );
  approvals
    .command("deny")
    .argument("<id>", ID_HELP)
    .description("refuse an operation for good")
    .requiredOption("--comment <text>", "why; whoever asked sees it")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample:\n  drawbridge approvals deny 9f3c21aa --comment "not in office hours"`)
    .action(async (id: string, { comment, json }: DenyOptions, command: Command) => {
      const { api } = await connect(shell, command);
      const found = await findApproval(api, id);
      const denied = await api.post(`/approvals/${found.id}/deny`, ApprovalView, { comment });
      if (json) shell.output.json(denied);
      else shell.output.line(`${approvalName(denied)} is denied`);
    });
  approvals
    .command("revoke")
    .argument("<id>", ID_HELP)
    .description("make sure that an operation that was approved, but has not run yet, does not run")
    .requiredOption("--reason <text>", "why")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample:\n  drawbridge approvals revoke 9f3c21aa --reason "wrong table"`)
    .action(async (id: string, { reason, json }: RevokeOptions, command: Command) => {
      const { api } = await connect(shell, command);
      const found = await findApproval(api, id);
      const revoked = await api.post(`/approvals/${found.id}/revoke`, ApprovalView, { reason });
      if (json) shell.output.json(revoked);
      else shell.output.line(`${approvalName(revoked)} is revoked`);
    });
}

async function approve(
  shell: Shell,
  { id, options }: { id: string; options: ApproveOptions },
  command: Command,
): Promise<void> {
  const { comment, set: edits, sessionUses, yes, json } = options;
  checkOptions(shell, options);
  const { api } = await connect(shell, command);
  const found = await findApproval(api, id);
  if (found.state !== "pending") throw new CliError(`${approvalName(found)} is ${found.state} already`);
  if (!json || !yes) showWhatIsApproved(shell, found, options);
  if (!yes) await confirm(shell, `approve ${approvalName(found)}?`);
  const approved = await api.post(`/approvals/${found.id}/approve`, ApprovalView, {
    comment,
    edits,
    sessionUses,
    // What was shown: should another approver have changed it since, this one has not agreed to that.
    ...(found.edited && !edits ? { seen: "edited" } : {}),
  });
  if (json) shell.output.json(approved);
  else shell.output.line(outcome(approved));
}

/** Before anything is asked of the control plane. */
function checkOptions({ ask }: Shell, { sessionUses = 1, yes }: ApproveOptions): void {
  if (sessionUses > MAX_SESSION_USES) throw usageError(`--session-uses is at most ${MAX_SESSION_USES}`);
  if (!yes && ask === undefined) throw usageError("there is no terminal to confirm this on: add --yes");
}

function showWhatIsApproved(
  { output }: Shell,
  approval: ApprovalWithPreview,
  { set: edits = {}, sessionUses }: ApproveOptions,
): void {
  const lines = approvalLines(approval);
  const changes = Object.entries(edits).map(([pointer, value]) => `  ${pointer} = ${JSON.stringify(value)}`);
  if (changes.length > 0) lines.push("", "with these arguments instead:", ...changes.map(oneLine));
  if (sessionUses !== undefined) lines.push("", `and ${sessionUses} times more in the same session, unasked`);
  for (const line of lines) output.notice(line);
  output.notice("");
}

function outcome(approval: z.infer<typeof ApprovalView>): string {
  const name = approvalName(approval);
  const missing = reviewersText(approval.review.missing);
  if (approval.state !== "pending") return `${name} is ${approval.state}`;
  return `your approval of ${name} counts; it still needs ${missing ?? "others"}`;
}
