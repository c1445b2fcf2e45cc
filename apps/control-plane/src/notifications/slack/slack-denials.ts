import { Injectable } from "@nestjs/common";
import type { Principal } from "../../identity/index.js";
import { LiveLocks } from "../../locks/index.js";
import { Clock } from "../../platform/clock.js";
import { Database } from "../../platform/database.js";
import { readEpoch } from "../../platform/epoch-snapshot.js";
import { DomainError } from "../../platform/errors.js";
import { SeenPrincipals } from "../../policies/index.js";
import { NotifiedApprovals } from "../notified-approvals.js";

/** Groups that were seen longer ago say nothing any more. */
const GROUPS_COUNT_MS = 24 * 3_600_000;

/**
 * Denies for somebody whom only Slack vouches for. They have no token here, so their groups are those they were last
 * seen with. That is enough to deny, which only ever takes away; approving asks for a sign-in.
 */
@Injectable()
export class SlackDenials {
  constructor(
    private readonly approvals: NotifiedApprovals,
    private readonly seen: SeenPrincipals,
    private readonly locks: LiveLocks,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** What to tell whoever pressed the button. */
  async deny(principalId: string | undefined, approval: string): Promise<string> {
    if (principalId === undefined)
      return "Drawbridge does not know who you are in Slack. Use the link, or ask an administrator to name you in the channel.";
    const principal = await this.principal(principalId);
    if (!principal)
      return "Drawbridge has not seen you in the last 24 hours. Sign in once and press it again, or use the link.";
    try {
      await this.requireUnlocked(principal);
      await this.approvals.deny(principal, approval, "denied from Slack");
      return "Denied. Whoever asked is told.";
    } catch (error) {
      if (error instanceof DomainError) return `It was not denied by you: ${error.message}.`;
      throw error;
    }
  }

  private async principal(id: string): Promise<Principal | undefined> {
    const seen = (await this.seen.lastSeen([id])).get(id);
    const now = this.clock.now();
    if (!seen || now.getTime() - seen.at.getTime() > GROUPS_COUNT_MS) return undefined;
    return {
      id,
      email: undefined,
      groups: seen.groups,
      identities: [`sub:${id}`],
      isMachine: false,
      client: "slack",
      roles: ["user"],
      expiresAt: now,
      signedInAt: undefined,
    };
  }

  private async requireUnlocked({ id }: Principal): Promise<void> {
    const { value } = await this.locks.atLeast(await readEpoch(this.database));
    if (value.on({ principal: id }, this.clock.now())) throw new DomainError("locked", "you are locked out");
  }
}
