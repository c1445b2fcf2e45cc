import { APPROVAL_STATES, ApprovalPage, type ApprovalView } from "@drawbridge/contracts";
import { type Command, Option } from "commander";
import { approvalLines, isOpen, operationOf, whoOf } from "../approval-text.js";
import { count } from "../arguments.js";
import { findApproval } from "../find-approval.js";
import { reviewersText, showVotes } from "../review-text.js";
import { connect, type Shell } from "../shell.js";
import { shortId } from "../short-ids.js";
import { age, left } from "../times.js";
import { addApprovalDecisionCommands } from "./approval-decisions.js";
import { addApprovalWatchCommand } from "./approval-watch.js";

interface ListOptions {
  readonly state: string;
  readonly target?: string;
  readonly mine?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 50;

export function addApprovalCommands(program: Command, shell: Shell): void {
  const approvals = program.command("approvals").description("operations that wait for people");
  approvals
    .command("list", { isDefault: true })
    .description("list held operations, the newest first")
    .addOption(
      new Option("--state <state>", "in this state only")
        .choices([...APPROVAL_STATES, "all"])
        .default("pending"),
    )
    .option("--target <name>", "of this target only")
    .option("--mine", "only your own operations")
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nLists show the end of each id; that much of it, or 6 characters, is enough wherever an id is asked for.\n" +
        "\nExamples:\n  drawbridge approvals\n  drawbridge approvals list --state all --target shop",
    )
    .action((options: ListOptions, command: Command) => list(shell, options, command));
  approvals
    .command("show")
    .argument("<id>", "as lists show it, or whole")
    .description("show what would run, who asks, why it waits and who must still approve")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge approvals show 9f3c21aa")
    .action(async (id: string, { json }: { json?: boolean }, command: Command) => {
      const { api } = await connect(shell, command);
      const approval = await findApproval(api, id);
      if (json) return shell.output.json(approval);
      for (const line of approvalLines(approval)) shell.output.line(line);
      showVotes(shell.output, approval.review);
    });
  addApprovalDecisionCommands(approvals, shell);
  addApprovalWatchCommand(approvals, shell);
}

async function list(shell: Shell, options: ListOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const { state, target, mine, limit, json } = options;
  const query = { ...(state === "all" ? {} : { state }), target, mine: mine ? "true" : undefined };
  const items = await api.list<typeof ApprovalView>("/approvals", ApprovalPage, { limit, query });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "STATE", "AGE", "WHO", "TARGET", "TOOL", "RULE", "NEEDS", "LEFT", "YOURS"],
    items.map((approval) => [
      shortId(approval.id),
      approval.state,
      age(approval.createdAt),
      whoOf(approval),
      approval.target,
      operationOf(approval),
      `${approval.policy}/${approval.rule}`,
      isOpen(approval) ? reviewersText(approval.review.missing) : undefined,
      isOpen(approval) ? left(approval.expiresAt) : undefined,
      approval.mayDecide ? "to decide" : undefined,
    ]),
    state === "pending" ? "nothing waits for an approval" : "no approvals",
  );
}
