import { Injectable } from "@nestjs/common";
import type { Page, PageQuery, PinnedToolDetail, PinnedToolView } from "@drawbridge/contracts";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { Database, type Transaction } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor } from "../platform/pagination.js";
import { LiveTargets, type Target } from "../targets/index.js";
import { flagsOf, LookAlikes } from "./observed-tools.js";
import { isAccepted } from "./pin.js";
import { type StoredDefinitions, type StoredPin, ToolPinsRepository } from "./tool-pins.repository.js";

type WholePin = StoredPin & StoredDefinitions;

/** Of a tool a target may choose any, but an empty one, or one with NUL. */
const TOOL_NAME = /^[^\0]{1,1024}$/;

/** Looking at what targets show, and accepting it. */
@Injectable()
export class ToolsService {
  constructor(
    private readonly database: Database,
    private readonly repository: ToolPinsRepository,
    private readonly targets: LiveTargets,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async list(targetName: string, { limit, cursor }: PageQuery): Promise<Page<PinnedToolView>> {
    const target = await this.target(targetName);
    const pins = await this.repository.list(target.id, readCursor(cursor, TOOL_NAME), limit + 1);
    return pageFrom(pins, limit, { key: ({ name }) => name, view: (pin) => viewOf(target, pin) });
  }

  async get(targetName: string, name: string): Promise<PinnedToolDetail> {
    const target = await this.target(targetName);
    const pin = (await this.repository.find(target.id, name)) ?? notFound(target, name);
    const { acceptedDefinition, shownDefinition } = pin;
    return {
      ...viewOf(target, pin),
      ...(acceptedDefinition && { accepted: Buffer.from(acceptedDefinition).toString("utf8") }),
      shown: Buffer.from(shownDefinition).toString("utf8"),
    };
  }

  /** The definition with this digest is what the tool has to show from now on. What is so already stays as it is. */
  async accept(
    principal: Principal,
    targetName: string,
    { tool: name, digest }: { readonly tool: string; readonly digest: string },
  ): Promise<PinnedToolView> {
    const target = await this.target(targetName);
    const pin = await this.database.transaction(async (transaction) => {
      if (!(await this.repository.lock(transaction, target.id))) return notFound(target, name);
      const found = (await this.repository.find(target.id, name, transaction)) ?? notFound(target, name);
      if (isAccepted(found) && found.accepted === digest) return found;
      const accepted = await this.accepted(transaction, target, { pin: found, digest });
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "tool.accepted",
        subject: targetName,
        details: { tool: name, digest, flags: accepted.flags.join(" ") },
      });
      await this.repository.accept(transaction, target.id, { ...accepted, by: principal.id });
      return (await this.repository.find(target.id, name, transaction)) ?? notFound(target, name);
    });
    return viewOf(target, pin);
  }

  private async accepted(
    transaction: Transaction,
    target: Target,
    { pin, digest }: { readonly pin: WholePin; readonly digest: string },
  ) {
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

  /** As of now, not as of the last decision. */
  private async target(name: string): Promise<Target> {
    const { value } = await this.targets.atLeast(await readEpoch(this.database));
    const target = value.get(name);
    if (!target) throw new DomainError("target_not_found", `there is no target ${name}`);
    return target;
  }
}

function notFound({ name: target }: Target, name: string): never {
  throw new DomainError(
    "tool_not_found",
    `the target ${target} has not shown a tool ${name}; tools are known when somebody lists or calls them`,
  );
}

function viewOf(target: Target, pin: StoredPin): PinnedToolView {
  const { name, accepted, shown, acceptedAt, acceptedBy, shownSince, flags, firstSeenAt } = pin;
  return {
    target: target.name,
    name,
    state: isAccepted(pin) ? "accepted" : "quarantined",
    flags: [...flags],
    ...(accepted !== undefined && { acceptedDigest: accepted }),
    ...(acceptedAt && { acceptedAt: acceptedAt.toISOString() }),
    ...(acceptedBy !== undefined && { acceptedBy }),
    shownDigest: shown,
    shownSince: shownSince.toISOString(),
    firstSeenAt: firstSeenAt.toISOString(),
  };
}
