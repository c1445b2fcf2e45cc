import { Injectable, type OnModuleInit } from "@nestjs/common";
import { eraOf } from "@drawbridge/mcp";
import { Approvals, type JudgeEdit } from "../../approvals/index.js";
import { Clock } from "../../platform/clock.js";
import { contextOf, decideNow } from "../decisions/decide.js";
import { LiveState } from "../decisions/live-state.js";
import { SessionsService } from "../sessions/sessions.service.js";

/** What approvers put in place of the arguments is decided about as if its caller had asked for it. */
@Injectable()
export class EditJudge implements OnModuleInit {
  constructor(
    private readonly approvals: Approvals,
    private readonly live: LiveState,
    private readonly sessions: SessionsService,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.approvals.setJudge((edit) => this.judge(edit));
  }

  private async judge(edit: Parameters<JudgeEdit>[0]): ReturnType<JudgeEdit> {
    const { owner, principal, clientName, targetId, targetName, message } = edit;
    const live = await this.live.now();
    const target = live.targets.get(targetName);
    if (!target) return { effect: "deny", reason: "the target is gone" };
    const now = this.clock.now();
    // At another control plane nobody knows what the session has been used for: then what depends on it fails, and denies.
    const session = this.sessions.byId(owner.sessionId);
    const usage = session?.usage.seenBy(message, now);
    const { effect, reason, review } = decideNow(live, {
      target,
      targetId,
      sessionId: owner.sessionId,
      agentId: session?.agentId,
      context: {
        ...contextOf({ ...principal, client: owner.oauthClient }, clientName),
        now,
        ...(usage ? { session: usage } : {}),
      },
      message,
      era: session?.era ?? eraOf(message),
    });
    if (effect === "allow") return { effect };
    return effect === "require_approval" && review ? { effect, review } : { effect: "deny", reason };
  }
}
