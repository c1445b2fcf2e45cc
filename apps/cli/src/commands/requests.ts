import {
  AccessRequestPage,
  AccessRequestView,
  REQUEST_STATES,
  type ReviewAccessRequest,
} from "@drawbridge/contracts";
import { type Command, Option } from "commander";
import { requestFacts, toolsText } from "../access-text.js";
import type { Api } from "../api.js";
import { count } from "../arguments.js";
import { reviewersText, showVotes } from "../review-text.js";
import { connect, type Shell } from "../shell.js";
import { SEARCHED, shortId, wholeId } from "../short-ids.js";
import { age, lasting } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

interface ListOptions extends JsonOption {
  readonly state: string;
  readonly target?: string;
  readonly mine?: boolean;
  readonly limit: number;
}

const DEFAULT_LIMIT = 50;
const ID_HELP = "as lists show it, or whole";

export function addRequestsCommands(program: Command, shell: Shell): void {
  const requests = program.command("requests").description("who asks for access to what");
  requests
    .command("list", { isDefault: true })
    .description("list access requests: yours, and those that you may decide or see")
    .addOption(
      new Option("--state <state>", "in this state only")
        .choices([...REQUEST_STATES, "all"])
        .default("pending"),
    )
    .option("--target <name>", "for this target only")
    .option("--mine", "only your own")
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge requests --state all --mine")
    .action((options: ListOptions, command: Command) => list(shell, options, command));
  requests
    .command("show")
    .argument("<id>", ID_HELP)
    .description("show one access request")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge requests show 9f3c21aa")
    .action(async (id: string, options: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      show(shell, await findRequest(api, id), options);
    });
  addReviewCommands(requests, shell);
  requests
    .command("withdraw")
    .argument("<id>", ID_HELP)
    .description("take back a request of your own")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge requests withdraw 9f3c21aa")
    .action(async (id: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const found = await findRequest(api, id);
      const withdrawn = await api.post(`/access-requests/${found.id}/withdraw`, AccessRequestView, {});
      if (json) shell.output.json(withdrawn);
      else shell.output.line(`request ${shortId(found.id)} is withdrawn`);
    });
}

function addReviewCommands(requests: Command, shell: Shell): void {
  requests
    .command("approve")
    .argument("<id>", ID_HELP)
    .description("give the access that a request asks for, or your part of the approval")
    .option("--comment <text>", "for whoever asked")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge requests approve 9f3c21aa")
    .action((...[id, { comment, json }, command]: [string, { comment?: string } & JsonOption, Command]) => {
      const review = { verdict: "approve" as const, ...(comment === undefined ? {} : { comment }) };
      return decide(shell, { id, review, json }, command);
    });
  requests
    .command("deny")
    .argument("<id>", ID_HELP)
    .description("refuse a request for good")
    .requiredOption("--comment <text>", "why; whoever asked sees it")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample:\n  drawbridge requests deny 9f3c21aa --comment "use the replica"`)
    .action((...[id, { comment, json }, command]: [string, { comment: string } & JsonOption, Command]) =>
      decide(shell, { id, review: { verdict: "deny", comment }, json }, command),
    );
}

interface Decision {
  readonly id: string;
  readonly review: ReviewAccessRequest;
  readonly json: boolean | undefined;
}

async function decide(shell: Shell, { id, review, json }: Decision, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const found = await findRequest(api, id);
  const decided = await api.post(`/access-requests/${found.id}/review`, AccessRequestView, review);
  show(shell, decided, { json });
}

function show(
  { output }: Shell,
  request: AccessRequestView,
  { json }: { readonly json?: boolean | undefined },
): void {
  if (json) return output.json(request);
  output.record(requestFacts(request));
  showVotes(output, request.review);
}

async function list(shell: Shell, options: ListOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const { state, target, mine, limit, json } = options;
  const query = { ...(state === "all" ? {} : { state }), target, mine: mine ? "true" : undefined };
  const items = await api.list<typeof AccessRequestView>("/access-requests", AccessRequestPage, {
    limit,
    query,
  });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "STATE", "AGE", "KIND", "WHO", "TARGET", "TOOLS", "FOR", "NEEDS", "REASON"],
    items.map((request) => [
      shortId(request.id),
      request.state,
      age(request.createdAt),
      request.kind,
      request.email ?? request.principal,
      request.target,
      toolsText(request.tools),
      lasting(request.durationSeconds * 1000),
      request.state === "pending" ? reviewersText(request.review.missing) : undefined,
      request.reason,
    ]),
    state === "pending" ? "no request waits" : "no requests",
  );
}

async function findRequest(api: Api, typed: string): Promise<AccessRequestView> {
  const search = (state?: string) => () =>
    api.list<typeof AccessRequestView>("/access-requests", AccessRequestPage, {
      limit: SEARCHED,
      query: { state },
    });
  const id = await wholeId(typed, { what: "request", places: [search("pending"), search()] });
  return api.get(`/access-requests/${id}`, AccessRequestView);
}
