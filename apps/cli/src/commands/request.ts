import { setTimeout as sleep } from "node:timers/promises";
import { AccessRequestView, type CreateAccessRequest } from "@drawbridge/contracts";
import type { Command } from "commander";
import { interrupted } from "../api.js";
import { commaSeparated, duration, timestamp } from "../arguments.js";
import { CliError } from "../errors.js";
import { persistently } from "../persistence.js";
import { reviewersText } from "../review-text.js";
import { connect, type Connection, type Shell } from "../shell.js";
import { shortId } from "../short-ids.js";
import { oneLine } from "../terminal-text.js";
import { left } from "../times.js";

interface RequestOptions {
  readonly tools?: readonly string[];
  readonly reason?: string;
  readonly ticket?: string;
  readonly for?: string;
  readonly start?: string;
  readonly policy?: string;
  readonly breakGlass?: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

const FIRST_LOOK_MS = 500;
const LONGEST_PAUSE_MS = 3_000;

export function addRequestCommand(program: Command, shell: Shell): void {
  program
    .command("request")
    .argument("<target>")
    .description("ask for access to a target, for a while")
    .option("--tools <globs>", "only to these tools, such as 'search_*,execute_sql'", commaSeparated)
    .option("--reason <text>", "why; asked for on a terminal where the policy wants one")
    .option("--ticket <ticket>", "the ticket that it belongs to")
    .option("--for <duration>", "for how long; the policy's maximum unless given", duration)
    .option("--start <time>", "from then on, such as 2026-11-24T09:00Z; at once unless given", timestamp)
    .option("--policy <name>", "under this policy, where several would give it")
    .option("--break-glass", "an emergency: access at once, loudly, reviewed afterwards")
    .option("--wait", "wait until somebody has decided; fails unless it is approved")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      '\nExamples:\n  drawbridge request shop --reason "order 4711 is stuck" --for 2h --wait\n' +
        '  drawbridge request shop --break-glass --reason "checkout is down" --ticket INC-77',
    )
    .action((target: string, options: RequestOptions, command: Command) =>
      request(shell, { target, options }, command),
    );
}

interface Wish {
  readonly target: string;
  readonly options: RequestOptions;
}

async function request(shell: Shell, { target, options }: Wish, command: Command): Promise<void> {
  const connection = await connect(shell, command);
  const filed = await file(shell, connection, bodyOf(target, options));
  const { output } = shell;
  if (!options.json) output.line(standing(filed));
  const decided = options.wait ? await waitFor(shell, connection, filed) : filed;
  if (options.json) output.json(decided);
  else if (options.wait && filed.state === "pending") output.line(standing(decided));
  if (!options.json && decided.state === "pending") {
    const id = shortId(decided.id);
    output.notice(`see how it stands: drawbridge requests show ${id}; or wait: add --wait next time`);
  }
  if (options.wait && decided.state !== "approved") throw notApproved(decided);
}

function bodyOf(target: string, options: RequestOptions): CreateAccessRequest {
  const { tools, reason, ticket, for: lasts, start, policy, breakGlass } = options;
  return {
    target,
    ...(tools === undefined ? {} : { tools: [...tools] }),
    ...(reason === undefined ? {} : { reason }),
    ...(ticket === undefined ? {} : { ticket }),
    ...(lasts === undefined ? {} : { duration: lasts }),
    ...(start === undefined ? {} : { startsAt: start }),
    ...(policy === undefined ? {} : { policy }),
    ...(breakGlass === undefined ? {} : { breakGlass }),
  };
}

/** A reason that the policy wants and nobody gave is asked for, where somebody can be asked. */
async function file(
  { ask }: Shell,
  { api }: Connection,
  body: CreateAccessRequest,
): Promise<AccessRequestView> {
  try {
    return await api.post("/access-requests", AccessRequestView, body);
  } catch (error) {
    if (ask === undefined || body.reason !== undefined || !isReasonMissing(error)) throw error;
    const reason = (await ask("why do you need it? ")).trim();
    if (reason === "") throw error;
    return api.post("/access-requests", AccessRequestView, { ...body, reason });
  }
}

function isReasonMissing(error: unknown): boolean {
  return (
    error instanceof CliError &&
    error.code === "access_request_invalid" &&
    error.message.includes("(--reason)")
  );
}

function standing(request: AccessRequestView): string {
  const name = `request ${shortId(request.id)} for ${request.target}`;
  if (request.state === "approved") {
    const grant = request.grantId === null ? "" : ` (grant ${shortId(request.grantId)})`;
    return `${name} is approved${grant}`;
  }
  if (request.state !== "pending") return `${name} is ${request.state}`;
  const missing = reviewersText(request.review.missing);
  return `${name} waits for ${missing ?? "its review"}, at most ${left(request.expiresAt)}`;
}

async function waitFor(
  { signal, output }: Shell,
  { api }: Connection,
  filed: AccessRequestView,
): Promise<AccessRequestView> {
  let request = filed;
  for (
    let pause = FIRST_LOOK_MS;
    request.state === "pending";
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
  ) {
    output.progress(
      `waiting for ${reviewersText(request.review.missing) ?? "a decision"}: ${left(request.expiresAt)} left`,
    );
    await sleep(pause, undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      output.progress(undefined);
      output.notice(`the request stays; take it back: drawbridge requests withdraw ${shortId(filed.id)}`);
      throw interrupted();
    }
    request = await persistently(signal, () => api.get(`/access-requests/${filed.id}`, AccessRequestView));
  }
  output.progress(undefined);
  return request;
}

function notApproved({ id, state, decidedBy, comment }: AccessRequestView): CliError {
  const by = decidedBy === null ? "" : ` by ${decidedBy}`;
  const why = comment === null ? "" : `: ${comment}`;
  return new CliError(oneLine(`request ${shortId(id)} is ${state}${by}${why}`));
}
