import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import { type JitPolicy, jitPolicies } from "@drawbridge/policy";
import { AccessRequests, type FiledRequest } from "../../access/index.js";
import { Clock } from "../../platform/clock.js";
import { DomainError } from "../../platform/errors.js";
import type { GatewayDecision } from "../decisions/decide.js";
import { LiveState } from "../decisions/live-state.js";
import type { GatewayError } from "../gateway-error.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import { Authorization } from "../traffic/authorization.js";
import type { Incoming } from "../traffic/incoming.js";
import { awaitedAccess, howToAsk, type Requestable } from "./access-words.js";
import type { Awaited, Watch } from "./awaited.js";
import { canAsk, type Reason, reasonForm, reasonIn } from "./reason-form.js";
import { type ComesBack, RequestStates } from "./request-states.js";

/** What becomes of a call that access would allow. */
export type WithoutAccess =
  /** The caller is told how to ask. */
  | { readonly kind: "explain"; readonly refusal: GatewayError }
  /** The client is asked for a reason: this result (`input_required`) is its answer. */
  | { readonly kind: "ask"; readonly result: object }
  /** Access is asked for: the call waits. Once it is given the call is decided about again; if it is denied then, it is refused. */
  | { readonly kind: "wait"; readonly awaited: Awaited; readonly watch: Watch };

/** Who is asked for a reason takes a while to give one. */
const ASKED_FOR_MS = 600_000;
/** Of one session. */
const MOST_REMEMBERED = 100;
// A request for them would be one for more than what was called.
const WILDCARD = /[*?]/;

interface Wish {
  readonly incoming: Incoming<McpRequest>;
  readonly requestable: Requestable;
}

/** A call that is denied, and would not be with access that its caller may ask for. */
@Injectable()
export class AccessOnCall {
  /**
   * What was filed for the calls of a session: a repeat hears how it ended. Who repeats a call after this process has
   * forgotten it asks anew.
   */
  private readonly filed = new WeakMap<GatewaySession, Map<string, string>>();

  constructor(
    private readonly requests: AccessRequests,
    private readonly authorization: Authorization,
    private readonly live: LiveState,
    private readonly states: RequestStates,
    private readonly clock: Clock,
  ) {}

  /** Of a denial with `requestable`, once it is recorded. A repeat finds the request that was filed for the first. */
  async of(
    incoming: Incoming<McpRequest>,
    decision: GatewayDecision,
    comesBack?: ComesBack,
  ): Promise<WithoutAccess> {
    const policy = await this.policyOf(incoming, decision);
    const named = policy?.name ?? decision.requestable?.[0];
    const wish = { incoming, requestable: requestableOf(incoming, named) };
    const known = await this.knownOf(wish, comesBack);
    if (known) return this.wait(wish, known);
    const unasked = whyNotAsked(wish, policy);
    return unasked ?? this.askFor(wish, policy?.access.reason === "required", comesBack);
  }

  private async askFor(
    wish: Wish,
    needsReason: boolean,
    comesBack: ComesBack | undefined,
  ): Promise<WithoutAccess> {
    const reason = reasonIn(comesBack?.answers);
    if (comesBack?.kind === "reason" && !reason) return explain(wish, "no reason was given");
    if (reason || !needsReason) return this.file(wish, reason);
    return canAsk(wish.incoming.message) ? this.ask(wish) : explain(wish, "a reason is required");
  }

  /** The one under which a request is filed; of those that only explain, the first. */
  private async policyOf(
    incoming: Incoming<McpRequest>,
    { requestable = [] }: GatewayDecision,
  ): Promise<JitPolicy | undefined> {
    const { policies } = await this.live.known();
    const { target, context } = this.authorization.questionOf(incoming);
    const meant = jitPolicies(policies, target, context).filter(({ name }) => requestable.includes(name));
    return meant.find(({ access }) => access.whenCalled === "request") ?? meant[0];
  }

  /** What was filed for the same before. What was approved and is of no use any more is over. */
  private async knownOf(wish: Wish, comesBack: ComesBack | undefined): Promise<FiledRequest | undefined> {
    const { session } = wish.incoming;
    const key = keyOf(wish);
    const id = comesBack?.kind === "access" ? comesBack.id : this.filed.get(session)?.get(key);
    if (id === undefined) return undefined;
    const request = await this.requests.find(id, { principal: session.principal });
    if (request?.state !== "pending") this.filed.get(session)?.delete(key);
    return request?.state === "approved" ? undefined : request;
  }

  private async file(wish: Wish, given: Reason | undefined): Promise<WithoutAccess> {
    const { principal, session, message } = wish.incoming;
    const { target: name, policy, tool } = wish.requestable;
    try {
      const request = await this.requests.file({
        principal,
        target: { id: session.targetId, name },
        tools: tool === undefined ? [] : [tool],
        reason: given?.reason ?? `asked for by a call: ${message.method} ${tool ?? ""}`.trimEnd(),
        ticket: given?.ticket,
        sessionId: session.id,
        policies: [policy],
      });
      this.remember(wish, request.id);
      return this.wait(wish, request);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return explain(wish, error.message);
    }
  }

  private wait({ requestable: { target } }: Wish, request: FiledRequest): WithoutAccess {
    const watch: Watch = {
      changed: async (_known, signal) =>
        awaitedAccess(target, await this.requests.changed(request.id, signal)),
    };
    return { kind: "wait", awaited: awaitedAccess(target, request), watch };
  }

  private ask({ incoming, requestable: { target, policy } }: Wish): WithoutAccess {
    const expiresAt = new Date(this.clock.now().getTime() + ASKED_FOR_MS);
    const about = { expiresAt, toolDigest: undefined };
    const requestState = this.states.seal(incoming, { kind: "reason", id: "", leg: 1 }, about);
    const inputRequests = reasonForm(target, policy);
    return { kind: "ask", result: { resultType: "input_required", inputRequests, requestState } };
  }

  private remember(wish: Wish, id: string): void {
    const { session } = wish.incoming;
    const known = this.filed.get(session) ?? new Map<string, string>();
    this.filed.set(session, known.set(keyOf(wish), id));
    const [oldest] = known.size > MOST_REMEMBERED ? known.keys() : [];
    if (oldest !== undefined) known.delete(oldest);
  }
}

function requestableOf({ session, message }: Incoming<McpRequest>, policy = ""): Requestable {
  const tool = message.method === "tools/call" ? message.name : undefined;
  return { target: session.target, policy, tool };
}

function keyOf({ requestable: { policy, tool = "" } }: Wish): string {
  return `${policy}\0${tool}`;
}

/** Where it is not asked for by itself. */
function whyNotAsked(wish: Wish, policy: JitPolicy | undefined): WithoutAccess | undefined {
  if (policy?.access.whenCalled !== "request") return explain(wish);
  const { tool = "" } = wish.requestable;
  return WILDCARD.test(tool) ? explain(wish, "its name cannot be asked for alone") : undefined;
}

function explain({ requestable }: Wish, because?: string): WithoutAccess {
  return { kind: "explain", refusal: howToAsk(requestable, because) };
}
