import { Injectable } from "@nestjs/common";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { Database, type Transaction } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { DomainError } from "../platform/errors.js";
import { flagsOf, LookAlikes } from "./observed-tools.js";
import { isAccepted } from "./pin.js";
import { type ObservedTarget, ToolPins } from "./tool-pins.js";
import {
  type Acceptance,
  type StoredPin,
  type WholePin,
  ToolPinsRepository,
} from "./tool-pins.repository.js";

/** Which definition is meant: the one looked at, not one that came since. */
export interface ToAccept {
  readonly target: ObservedTarget;
  readonly tool: string;
  readonly digest: string;
}

/** Somebody has looked at what a tool shows, and lets it be used. */
@Injectable()
export class ToolAcceptance {
  constructor(
    private readonly database: Database,
    private readonly repository: ToolPinsRepository,
    private readonly pins: ToolPins,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * The tool has to show the definition with this digest from now on. Undefined when there is no such tool.
   * @throws DomainError tool_changed when it is neither the one shown nor the one accepted before
   */
  async accept(principal: Principal, { target, tool, digest }: ToAccept): Promise<StoredPin | undefined> {
    const pin = await this.database.transaction(async (transaction) => {
      if (!(await this.repository.lock(transaction, target.id))) return undefined;
      const found = await this.repository.find(target.id, tool, transaction);
      if (!found || (isAccepted(found) && found.accepted === digest)) return found;
      const acceptance = await this.acceptanceOf(transaction, target, { pin: found, digest });
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "tool.accepted",
        subject: target.name,
        details: { tool, digest, flags: acceptance.flags.join(" ") },
      });
      await this.repository.accept(transaction, target.id, { ...acceptance, by: principal.id });
      return this.repository.find(target.id, tool, transaction);
    });
    // What is shown next here is compared with that already.
    await this.pins.atLeast(await readEpoch(this.database));
    return pin;
  }

  private async acceptanceOf(
    transaction: Transaction,
    target: ObservedTarget,
    { pin, digest }: { readonly pin: WholePin; readonly digest: string },
  ): Promise<Omit<Acceptance, "by">> {
    const { name, shownSince, flags, shownDefinition, acceptedDefinition } = pin;
    const at = this.clock.now();
    if (digest === pin.shown) return { name, digest, definition: shownDefinition, flags, at, shownSince };
    if (digest !== pin.accepted || !acceptedDefinition) {
      throw new DomainError("tool_changed", "the tool shows another definition now; look again");
    }
    // The one before stays. If the target still shows the other one, that is found when it does so next.
    const names = (await this.repository.digests(transaction, target.id)).keys();
    const flagsBefore = flagsOf(acceptedDefinition, new LookAlikes(names).has(name));
    return { name, digest, definition: acceptedDefinition, flags: flagsBefore, at, shownSince: at };
  }
}
