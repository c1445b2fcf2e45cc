import { Injectable, Logger } from "@nestjs/common";
import { AuditLog } from "../audit/index.js";
import { Clock } from "../platform/clock.js";
import { Database, type Transaction } from "../platform/database.js";
import { EpochSnapshot, readEpoch, type Snapshot } from "../platform/epoch-snapshot.js";
import {
  byName,
  changesOf,
  KnownTools,
  MAX_TOOLS,
  type PinChange,
  type ShownTool,
  type ToolDefinitionShown,
} from "./observed-tools.js";
import type { LivePin, Pins } from "./pin.js";
import { type PinsRead, ToolPinsRepository } from "./tool-pins.repository.js";

const NONE: ReadonlyMap<string, LivePin> = new Map();

type LivePins = ReadonlyMap<string, ReadonlyMap<string, LivePin>>;

/** The target whose tools were seen. */
export interface ObservedTarget {
  readonly id: string;
  readonly name: string;
}

/**
 * Which tools the targets have shown, and which of their definitions were accepted. The first one shown is, unless
 * something is suspicious about it. From then on another one makes the tool unusable until somebody accepts it.
 */
@Injectable()
export class ToolPins {
  private readonly logger = new Logger("tools");
  private readonly snapshot: EpochSnapshot<LivePins>;
  private lastRead: PinsRead | undefined;
  /** What is being written, by target: here one after the other, among replicas by a lock. */
  private readonly writing = new Map<string, Promise<void>>();
  /** Targets that show too many. Told once. */
  private readonly full = new Set<string>();

  constructor(
    private readonly database: Database,
    private readonly repository: ToolPinsRepository,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {
    this.snapshot = new EpochSnapshot(database, async (transaction) => {
      this.lastRead = await repository.all(transaction, this.lastRead);
      return this.lastRead.pins;
    });
  }

  get(): Promise<Snapshot<Pins>> {
    return this.snapshot.get();
  }

  atLeast(epoch: bigint): Promise<Snapshot<Pins>> {
    return this.snapshot.atLeast(epoch);
  }

  /** What a target has just shown, all its tools or some. Resolves when what is live says so. */
  async observe(target: ObservedTarget, definitions: readonly ToolDefinitionShown[]): Promise<void> {
    const tools = byName(definitions);
    while (await this.hasNews(target, tools)) {
      const before = this.writing.get(target.id);
      if (!before) return this.write(target, tools);
      await before.catch(() => undefined);
    }
  }

  private async hasNews({ id }: ObservedTarget, tools: readonly ShownTool[]): Promise<boolean> {
    const pins = (await this.snapshot.get()).value.get(id) ?? NONE;
    const known = new KnownTools(pins, this.clock.now());
    const isFull = this.full.has(id) && pins.size >= MAX_TOOLS;
    return tools.some((tool) => !known.isSettled(tool) && !(isFull && !pins.has(tool.name)));
  }

  private async write(target: ObservedTarget, tools: readonly ShownTool[]): Promise<void> {
    const writing = this.writeNow(target, tools);
    this.writing.set(target.id, writing);
    try {
      await writing;
    } finally {
      this.writing.delete(target.id);
    }
  }

  private async writeNow(target: ObservedTarget, tools: readonly ShownTool[]): Promise<void> {
    const refused = await this.database.transaction(async (transaction) => {
      if (!(await this.repository.lock(transaction, target.id))) return 0;
      const at = this.clock.now();
      const pins = await this.repository.digests(transaction, target.id);
      const found = changesOf(tools, new KnownTools(pins, at));
      // First what is audited: the pins move the authorization epoch, for which others wait then.
      for (const change of found.changes) await this.auditChange(transaction, target, change);
      await this.repository.write(transaction, target.id, { changes: found.changes, at });
      return found.refused;
    });
    if (refused > 0) await this.tellFull(target, refused);
    await this.snapshot.atLeast(await readEpoch(this.database));
  }

  private async auditChange(
    transaction: Transaction,
    { name: target }: ObservedTarget,
    { name: tool, digest, flags, acceptedAtFirst }: PinChange,
  ): Promise<void> {
    const isFirst = acceptedAtFirst !== undefined;
    if (isFirst && flags.length === 0) return;
    const action = isFirst ? "tool.first_seen" : "tool.changed";
    const details = { tool, digest, flags: flags.join(" ") };
    await this.audit.record(transaction, { actor: "system", action, subject: target, details });
  }

  private async tellFull({ id, name }: ObservedTarget, refused: number): Promise<void> {
    if (this.full.has(id)) return;
    this.full.add(id);
    this.logger.warn("a target shows more tools than are kept; nobody can use the others", {
      target: name,
      refused,
    });
    const details = { refused, kept: MAX_TOOLS };
    await this.audit.record(undefined, { actor: "system", action: "tools.refused", subject: name, details });
  }
}
