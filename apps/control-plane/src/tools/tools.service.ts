import { Injectable } from "@nestjs/common";
import type { Page, PageQuery, PinnedToolDetail, PinnedToolView } from "@drawbridge/contracts";
import type { Principal } from "../identity/index.js";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor } from "../platform/pagination.js";
import { LiveTargets, type Target } from "../targets/index.js";
import { isAccepted } from "./pin.js";
import { ToolAcceptance } from "./tool-acceptance.js";
import { type StoredPin, ToolPinsRepository } from "./tool-pins.repository.js";

/** Of a tool a target may choose any, but an empty one, or one with NUL. */
const TOOL_NAME = /^[^\0]{1,256}$/;

/** Looking at what targets show, and accepting it. */
@Injectable()
export class ToolsService {
  constructor(
    private readonly database: Database,
    private readonly repository: ToolPinsRepository,
    private readonly targets: LiveTargets,
    private readonly acceptance: ToolAcceptance,
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

  /** @throws DomainError tool_changed when the tool shows another definition by now */
  async accept(
    principal: Principal,
    targetName: string,
    accepted: { readonly tool: string; readonly digest: string },
  ): Promise<PinnedToolView> {
    const target = await this.target(targetName);
    const pin = await this.acceptance.accept(principal, { target, ...accepted });
    return viewOf(target, pin ?? notFound(target, accepted.tool));
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
