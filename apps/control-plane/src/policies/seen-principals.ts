import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { Clock } from "../platform/clock.js";
import type { Transaction } from "../platform/database.js";
import { Jobs } from "../platform/jobs.js";
import { type SeenPrincipal, SeenPrincipalsRepository } from "./seen-principals.repository.js";

const WRITTEN_AGAIN_AFTER_MS = 3_600_000;
/** What is remembered and what may wait to be written, at most. Whoever is left out is seen the next time. */
const REMEMBERED = 10_000;
const WAITING = 1_000;
const GROUPS = 1_000;
/** Longer than anybody looks back. */
const KEPT_MS = 90 * 86_400_000;
const FORGET_EVERY_MS = 3_600_000;

/** By principal. */
export type LastSeen = ReadonlyMap<string, { readonly groups: readonly string[]; readonly at: Date }>;

/**
 * Who has been here lately: to tell whom a change of a policy would affect, and whether a reviewer has lost a group since.
 * Nobody waits for it, and what cannot be written is only logged.
 */
@Injectable()
export class SeenPrincipals implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger("policies");
  private readonly remembered = new Map<string, { readonly what: string; readonly at: number }>();
  private waiting = new Map<string, SeenPrincipal>();
  private writing: Promise<void> | undefined;

  constructor(
    private readonly repository: SeenPrincipalsRepository,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.jobs.repeat("forget-principals", FORGET_EVERY_MS, () =>
      this.repository.forget(new Date(this.clock.now().getTime() - KEPT_MS)),
    );
  }

  /** Somebody opened a session, or voted. Returns at once and never throws. */
  seen({ principal, client, email, groups, identities }: SeenPrincipal): void {
    const key = JSON.stringify([principal, client]);
    const what = JSON.stringify([email, groups, identities]);
    const at = this.clock.now().getTime();
    const known = this.remembered.get(key);
    if (known?.what === what && at - known.at < WRITTEN_AGAIN_AFTER_MS) return;
    if (this.waiting.size >= WAITING && !this.waiting.has(key)) return;
    this.remember(key, { what, at });
    this.waiting.set(key, { principal, client, email, groups: groups.slice(0, GROUPS), identities });
    this.writing ??= this.writeAll();
  }

  /** What the newest token of each said, and when; none for who was not seen. */
  async lastSeen(principals: readonly string[], transaction?: Transaction): Promise<LastSeen> {
    const newest = await this.repository.newestOf(principals, transaction);
    return new Map(
      newest.map(({ principal, groups, lastSeenAt }) => [principal, { groups, at: lastSeenAt }]),
    );
  }

  /** By what else these accounts are known: what the last token for each of their clients said. */
  knownAs(principals: readonly string[], transaction: Transaction): Promise<readonly string[]> {
    return this.repository.identitiesOf(principals, transaction);
  }

  /** Resolves when what was seen so far is written, or is known not to be. */
  async settled(): Promise<void> {
    await this.writing;
  }

  onModuleDestroy(): Promise<void> {
    return this.settled();
  }

  private remember(key: string, known: { readonly what: string; readonly at: number }): void {
    // What was written last goes to the end; what is forgotten is at the beginning.
    this.remembered.delete(key);
    this.remembered.set(key, known);
    const [oldest] = this.remembered.keys();
    if (this.remembered.size > REMEMBERED && oldest !== undefined) this.remembered.delete(oldest);
  }

  /** One statement at a time; what is seen meanwhile is in the next one. */
  private async writeAll(): Promise<void> {
    while (this.waiting.size > 0) {
      const batch = this.waiting;
      this.waiting = new Map();
      try {
        await this.repository.put([...batch.values()], this.clock.now());
      } catch (error) {
        for (const key of batch.keys()) this.remembered.delete(key);
        this.logger.warn("who has been seen could not be written down", errorText(error));
      }
    }
    this.writing = undefined;
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
