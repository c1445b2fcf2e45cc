import { AccessRequestView, GRANT_STATES, GrantPage, GrantView } from "@drawbridge/contracts";
import { type Command, Option } from "commander";
import { grantFacts, isOver, requestFacts, toolsText } from "../access-text.js";
import type { Api } from "../api.js";
import { count, duration } from "../arguments.js";
import { usageError } from "../errors.js";
import { connect, type Shell } from "../shell.js";
import { SEARCHED, shortId, wholeId } from "../short-ids.js";
import { left, time } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

interface ListOptions extends JsonOption {
  readonly state: string;
  readonly mine?: boolean;
  readonly target?: string;
  readonly principal?: string;
  readonly unreviewed?: boolean;
  readonly limit: number;
}

interface ExtendOptions extends JsonOption {
  readonly for: string;
  readonly reason?: string;
  readonly ticket?: string;
}

interface ReviewOptions extends JsonOption {
  readonly accept?: boolean;
  readonly object?: boolean;
  readonly comment: string;
}

const DEFAULT_LIMIT = 50;
const ID_HELP = "as lists show it, or whole";

export function addGrantCommands(program: Command, shell: Shell): void {
  const grants = program.command("grants").description("access that somebody has for a while");
  grants
    .command("list", { isDefault: true })
    .description("list grants: yours, and those that you may see")
    .option("--mine", "only your own")
    .addOption(
      new Option("--state <state>", "in this state only").choices([...GRANT_STATES, "all"]).default("active"),
    )
    .option("--target <name>", "for this target only")
    .option("--principal <principal>", "of this principal only")
    .option("--unreviewed", "only break-glass access that nobody has reviewed yet, in any state")
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  drawbridge grants --mine\n  drawbridge grants --unreviewed")
    .action((options: ListOptions, command: Command) => list(shell, options, command));
  grants
    .command("show")
    .argument("<id>", ID_HELP)
    .description("show one grant")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge grants show 9f3c21aa")
    .action(async (id: string, options: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const grant = await findGrant(api, id);
      if (options.json) shell.output.json(grant);
      else shell.output.record(grantFacts(grant));
    });
  addChangeCommands(grants, shell);
  addEndCommands(grants, shell);
}

function addChangeCommands(grants: Command, shell: Shell): void {
  grants
    .command("extend")
    .argument("<id>", ID_HELP)
    .description("ask for more time; that is a request of its own")
    .requiredOption("--for <duration>", "how much more", duration)
    .option("--reason <text>", "why")
    .option("--ticket <ticket>", "the ticket that it belongs to")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge grants extend 9f3c21aa --for 1h")
    .action((...[id, options, command]: [string, ExtendOptions, Command]) =>
      extend(shell, { id, options }, command),
    );
  grants
    .command("review")
    .argument("<id>", ID_HELP)
    .description("say afterwards whether break-glass access was right")
    .option("--accept", "it was")
    .option("--object", "it was not")
    .requiredOption("--comment <text>", "what you found")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nExample:\n  drawbridge grants review 9f3c21aa --accept --comment "as INC-77 says"`,
    )
    .action((...[id, options, command]: [string, ReviewOptions, Command]) =>
      review(shell, { id, options }, command),
    );
}

function addEndCommands(grants: Command, shell: Shell): void {
  grants
    .command("return")
    .argument("<id>", ID_HELP)
    .description("give a grant of your own back before it ends")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge grants return 9f3c21aa")
    .action(async (id: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const found = await findGrant(api, id);
      const returned = await api.post(`/grants/${found.id}/return`, GrantView, {});
      if (json) shell.output.json(returned);
      else shell.output.line(`grant ${shortId(found.id)} for ${found.target} is returned`);
    });
  grants
    .command("revoke")
    .argument("<id>", ID_HELP)
    .description("end somebody's grant at once, calls in flight too")
    .requiredOption("--reason <text>", "why")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample:\n  drawbridge grants revoke 9f3c21aa --reason "left the team"`)
    .action(async (id: string, { reason, json }: { reason: string } & JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const found = await findGrant(api, id);
      const revoked = await api.post(`/grants/${found.id}/revoke`, GrantView, { reason });
      if (json) shell.output.json(revoked);
      else
        shell.output.line(`grant ${shortId(found.id)} of ${found.principal} for ${found.target} is revoked`);
    });
}

async function list(shell: Shell, options: ListOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const { state, mine, target, principal, unreviewed, limit, json } = options;
  const items = await api.list<typeof GrantView>("/grants", GrantPage, {
    limit,
    query: {
      ...(state === "all" || unreviewed ? {} : { state }),
      target,
      principal,
      mine: mine ? "true" : undefined,
      review: unreviewed ? "open" : undefined,
    },
  });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "STATE", "KIND", "WHO", "TARGET", "TOOLS", "POLICY", "UNTIL", "LEFT", "REVIEW"],
    items.map((grant) => [
      shortId(grant.id),
      grant.state,
      grant.kind,
      grant.email ?? grant.principal,
      grant.target,
      toolsText(grant.tools),
      grant.policy,
      time(grant.endsAt),
      isOver(grant) ? undefined : left(grant.endsAt),
      grant.reviewState,
    ]),
    "no grants",
  );
}

async function extend(
  shell: Shell,
  { id, options }: { id: string; options: ExtendOptions },
  command: Command,
): Promise<void> {
  const { for: lasts, reason, ticket, json } = options;
  const { api } = await connect(shell, command);
  const found = await findGrant(api, id);
  const request = await api.post(`/grants/${found.id}/extend`, AccessRequestView, {
    duration: lasts,
    reason,
    ticket,
  });
  if (json) shell.output.json(request);
  else shell.output.record(requestFacts(request));
}

async function review(
  shell: Shell,
  { id, options }: { id: string; options: ReviewOptions },
  command: Command,
): Promise<void> {
  const { accept, object, comment, json } = options;
  if ((accept ?? false) === (object ?? false)) throw usageError("say either --accept or --object");
  const { api } = await connect(shell, command);
  const found = await findGrant(api, id);
  const verdict = accept ? "accept" : "object";
  const reviewed = await api.post(`/grants/${found.id}/review`, GrantView, { verdict, comment });
  if (json) shell.output.json(reviewed);
  else
    shell.output.line(
      `the break-glass access ${shortId(found.id)} of ${found.principal} is reviewed: ${verdict}`,
    );
}

async function findGrant(api: Api, typed: string): Promise<GrantView> {
  const search = (state?: string) => () =>
    api.list<typeof GrantView>("/grants", GrantPage, { limit: SEARCHED, query: { state } });
  const id = await wholeId(typed, { what: "grant", places: [search("active"), search()] });
  return api.get(`/grants/${id}`, GrantView);
}
