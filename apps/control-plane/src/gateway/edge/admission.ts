import type { IncomingMessage, ServerResponse } from "node:http";
import { Inject, Injectable } from "@nestjs/common";
import { validHost, validOrigin } from "@drawbridge/mcp";
import { CONFIG, type Config } from "../../config.js";
import { type Principal, TokenVerifier } from "../../identity/index.js";
import type { Target } from "../../targets/index.js";
import { refused, targetNameOf } from "./client-request.js";
import { HeldBodies, type HeldBody } from "./held-bodies.js";
import { contextOf } from "../decisions/decide.js";
import { visibleTarget } from "../decisions/locked.js";
import { GatewayError } from "../gateway-error.js";
import { Reply } from "../replies/reply.js";
import { UnreadAnswers } from "../replies/unread-answers.js";
import { LiveState } from "../decisions/live-state.js";

/**
 * Who may come in at all: the sender, the token, and whether a policy shows the target to its bearer. And what requests
 * and answers may take here while they are under way.
 */
@Injectable()
export class Admission {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly tokens: TokenVerifier,
    private readonly live: LiveState,
    private readonly bodies: HeldBodies,
    private readonly unread: UnreadAnswers,
  ) {}

  replyTo(response: ServerResponse): Reply {
    return new Reply(response, this.unread);
  }

  /** Origin and Host: a web page must not reach us through the browser of somebody inside (DNS rebinding). */
  checkSender({ headers }: IncomingMessage): void {
    if (!validOrigin(headers.origin, this.config.allowedOrigins))
      throw refused(403, "requests of this origin are not accepted");
    if (!validHost(headers.host, this.config.allowedHosts)) {
      throw refused(
        403,
        "this Host is not one of ours; use the public URL, or name it in DRAWBRIDGE_ALLOWED_HOSTS",
      );
    }
  }

  /** @throws TokenError, or GatewayError: 404 for a target that the principal does not see, 403 for one that is locked */
  async admit(request: IncomingMessage): Promise<{ principal: Principal; target: Target }> {
    const name = targetNameOf(request);
    const principal = await this.tokens.verify(request.headers.authorization, "mcp");
    return { principal, target: await this.visibleTarget(name, principal) };
  }

  /** What the body of a request counts as while it comes in and is held. */
  bodyOf({ id }: Principal): HeldBody {
    return this.bodies.of(id);
  }

  private async visibleTarget(name: string, principal: Principal): Promise<Target> {
    const use = { name, context: contextOf(principal) };
    try {
      return visibleTarget(await this.live.known(), use);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // Nothing is recorded for who is refused, so nothing tells that it has appeared or was unlocked: look again.
      return visibleTarget(await this.live.now(), use);
    }
  }
}
