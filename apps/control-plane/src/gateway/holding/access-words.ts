import { RpcErrorCode } from "@drawbridge/mcp";
import type { FiledRequest } from "../../access/index.js";
import { GatewayError } from "../gateway-error.js";
import { whoIsMissing } from "./approval-words.js";
import type { Awaited } from "./awaited.js";

/** What there is to ask for. */
export interface Requestable {
  readonly target: string;
  readonly policy: string;
  /** Of tools/call. */
  readonly tool: string | undefined;
}

// What a shell takes for one plain word.
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** How to ask, for people and for models. `because`: why it was not asked for by itself, or could not be. */
export function howToAsk({ target, policy, tool }: Requestable, because?: string): GatewayError {
  const tools = tool !== undefined && PLAIN.test(tool) ? ` --tools ${tool}` : "";
  const command = `drawbridge request ${target} --policy ${policy}${tools} --reason "..."`;
  const why = because === undefined ? "" : ` (${because})`;
  const message =
    `This needs access to ${target} that somebody has to ask for${why}. Nothing has run. ` +
    `Have the user run \`${command}\` with the reason in it; when access is given, make the same call again.`;
  return new GatewayError({
    status: 200,
    code: RpcErrorCode.AccessRequired,
    message: message.toWellFormed(),
    data: { target, policy, command },
  });
}

const WORDS = {
  pending: (target, { missing, url }) =>
    `Waiting for access to ${target}, to be given by ${whoIsMissing(missing)}: ${url}`,
  approved: (target) => `Access to ${target} was given`,
  denied: (target, { decidedBy = "A reviewer", comment }) =>
    `${decidedBy} denied access to ${target}${comment === undefined ? "" : `: ${comment}`}. Nothing has run.`,
  expired: (target) => `Nobody gave access to ${target} in time. Nothing has run.`,
  withdrawn: (target) => `The request for access to ${target} was withdrawn. Nothing has run.`,
} as const satisfies Record<FiledRequest["state"], (target: string, request: FiledRequest) => string>;

/** How a request stands, as what a call waits for. */
export function awaitedAccess(target: string, request: FiledRequest): Awaited {
  const { id, state, url, expiresAt } = request;
  const given = state === "approved" ? "given" : "ended";
  const said = WORDS[state](target, request).toWellFormed();
  return { id, url, expiresAt, said, state: state === "pending" ? "open" : given };
}
