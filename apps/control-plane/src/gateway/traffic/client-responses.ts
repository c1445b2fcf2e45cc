import { Injectable } from "@nestjs/common";
import { type McpResponse, RpcErrorCode } from "@drawbridge/mcp";
import { evaluate } from "@drawbridge/policy";
import { contextOf, gone, withGrants } from "../decisions/decide.js";
import { LiveState } from "../decisions/live-state.js";
import { lockOnSession } from "../decisions/locked.js";
import { operationNamed } from "../decisions/operation-of.js";
import { GatewayError, unknownSession } from "../gateway-error.js";
import { Resumption } from "../replies/resumption.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { Authorization } from "./authorization.js";
import type { Incoming } from "./incoming.js";
import { ToTarget } from "./to-target.js";

/** The client's answers to what the target asked. */
@Injectable()
export class ClientResponses {
  constructor(
    private readonly live: LiveState,
    private readonly sessions: SessionsService,
    private readonly resumption: Resumption,
    private readonly authorization: Authorization,
    private readonly target: ToTarget,
  ) {}

  /** @throws GatewayError when it is not passed on */
  async take(incoming: Incoming<McpResponse>): Promise<void> {
    const { session, message, reply } = incoming;
    await this.resumption.recall(session);
    const { id } = message;
    const method = id && session.takeAsked(id);
    if (!id || method === undefined) {
      const said = "the target has not asked anything with this id, or it was answered already";
      throw new GatewayError({ status: 400, code: RpcErrorCode.InvalidRequest, message: said });
    }
    try {
      await this.passOn(incoming, method);
    } catch (error) {
      // It was not sent, so it may be given again.
      session.expectAnswer({ id, method });
      throw error;
    }
    reply.finishEmpty(202);
  }

  /** @throws GatewayError when the answer was certainly not sent */
  private async passOn(incoming: Incoming<McpResponse>, method: string): Promise<void> {
    const { session } = incoming;
    const about = { direction: "client_to_target", method } as const;
    const known = await this.live.known();
    const epoch = await this.authorization.recordMasked(incoming, { kind: "client_response", ...about });
    // What another process asked was decided then.
    const mayHaveChanged =
      epoch > known.epoch || session.wasServedBefore || lockOnSession(known, session) !== undefined;
    if (mayHaveChanged && !(await this.mayStillAnswer(incoming, method, epoch))) {
      await this.authorization.recordOrRefuse(session, { kind: "decision", ...about, decision: gone() });
      throw unknownSession();
    }
    await this.target.dispatch(incoming, 0);
  }

  private async mayStillAnswer(
    { session, target: { name }, principal }: Incoming,
    method: string,
    epoch: bigint,
  ): Promise<boolean> {
    const live = await this.live.atLeast(epoch);
    const target = live.targets.get(name);
    if (target?.id !== session.targetId || lockOnSession(live, session)) return false;
    const { targetId, id: sessionId } = session;
    const context = {
      ...withGrants(live, { context: contextOf(principal, session.clientName), targetId, sessionId }),
      session: session.usage.seenBy({ method }, new Date()),
    };
    const decision = evaluate(live.policies, operationNamed(target, method), context);
    if (decision.effect !== "allow") return false;
    return this.sessions.isStillOpen(session);
  }
}
