import { createHash, randomUUID } from "node:crypto";
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import type { AppliedLimit, LimitScope } from "@drawbridge/policy";
import { Jobs } from "../platform/jobs.js";
import { type Added, LimitUsageRepository, type Step } from "./limit-usage.repository.js";
import { type Counter, type LimitRefusal, refusalOf } from "./limit-refusal.js";

// Three times before a place lapses.
const RENEW_EVERY_MS = 20_000;
const FORGET_EVERY_MS = 3_600_000;
// Two of the longest windows there are.
const KEPT_MS = 2 * 86_400_000;

/** Who calls what, as far as limits count it apart. */
export interface LimitedBy {
  readonly principal: string;
  readonly sessionId: string;
  readonly targetId: string;
  /** The method and the name of what is called. */
  readonly operation: readonly [method: string, name: string | undefined];
}

/** What one call has of its limits. */
export interface Hold {
  /** Before the result is delivered. Undefined when it may be; then it is counted. */
  countResult(bytes: number): Promise<LimitRefusal | undefined>;
  /** The call is over. Resolves when its places are free again, or when that has to be left to time; never fails. */
  release(): Promise<void>;
  /** The call never ran: it does not count. Releases as well. */
  giveBack(): Promise<void>;
}

export type Taken = { readonly ok: true; readonly hold: Hold } | ({ readonly ok: false } & LimitRefusal);

interface Place {
  readonly key: Buffer;
  readonly place: string;
}

/**
 * How much of what policies limit has been used, counted by all control planes together, each call before it runs. A
 * policy that is applied again, or changed elsewhere, keeps its counts: a counter belongs to what a rule limits, by the
 * names of policy and rule.
 */
@Injectable()
export class Limits implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger("limits");
  private readonly held = new Set<readonly Place[]>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly usage: LimitUsageRepository,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.jobs.repeat("forget-limit-usage", FORGET_EVERY_MS, () => this.usage.forgetUnused(KEPT_MS));
    this.timer = setInterval(() => void this.renew(), RENEW_EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Counts a call that may run. All its limits have room for it, or none of them counts it. @throws when Postgres cannot be asked */
  async take(limits: readonly AppliedLimit[], who: LimitedBy): Promise<Taken> {
    const place = randomUUID();
    const counters = strictestOf(limits.flatMap((limit) => countersOf(limit, who, place)));
    const asked = await this.ask(counters);
    return "reason" in asked
      ? { ok: false, ...asked }
      : { ok: true, hold: this.holdOf(counters, asked.added) };
  }

  private holdOf(counters: readonly Counter[], added: readonly Added[]): Hold {
    const places = counters.flatMap(({ step }) => (step.ask === "place" ? [step] : []));
    if (places.length > 0) this.held.add(places);
    let releasing: Promise<void> | undefined;
    const release = () => (releasing ??= places.length > 0 ? this.release(places) : Promise.resolve());
    return {
      countResult: (bytes) => this.countResult(counters, bytes),
      release,
      giveBack: async () => {
        await Promise.all([release(), ...added.map((counted) => this.takeBack(counted))]);
      },
    };
  }

  private async countResult(counters: readonly Counter[], bytes: number): Promise<LimitRefusal | undefined> {
    const counted = counters.flatMap(({ step, limit, of }) =>
      step.ask === "isLeft" ? [{ limit, of, step: { ...step, ask: "add" as const, amount: bytes } }] : [],
    );
    if (counted.length === 0) return undefined;
    const asked = await this.ask(counted);
    return "reason" in asked ? asked : undefined;
  }

  private async ask(
    counters: readonly Counter[],
  ): Promise<{ readonly added: readonly Added[] } | LimitRefusal> {
    const limits = new Map(counters.map((counter) => [counter.step, counter]));
    const asked = await this.usage.ask([...limits.keys()]);
    if (!asked.refused) return asked;
    const counter = limits.get(asked.refused);
    if (!counter) throw new Error("a step was refused that was not asked");
    return refusalOf(counter, asked.stored);
  }

  private async release(places: readonly Place[]): Promise<void> {
    this.held.delete(places);
    for (const { key, place } of places) {
      try {
        await this.usage.leave(key, place);
      } catch (error) {
        this.logger.warn("a place of a limit is free only when it lapses", messageOf(error));
      }
    }
  }

  private async takeBack(added: Added): Promise<void> {
    try {
      await this.usage.takeBack(added);
    } catch (error) {
      this.logger.warn("a call that did not run stays counted", messageOf(error));
    }
  }

  /** One row after the other: two that are changed in one statement could wait for somebody who waits for them. */
  private async renew(): Promise<void> {
    const byKey = Map.groupBy([...this.held].flat(), ({ key }) => key.toString("hex"));
    for (const places of byKey.values()) {
      const [first] = places;
      if (!first) continue;
      try {
        await this.usage.renew(
          first.key,
          places.map(({ place }) => place),
        );
      } catch (error) {
        this.logger.warn("places of limits could not be kept", messageOf(error));
        return;
      }
    }
  }
}

function countersOf(limit: AppliedLimit, who: LimitedBy, place: string): Counter[] {
  const { calls, resultBytes, concurrent } = limit;
  const key = (kind: string, windowMs?: number) => keyOf(limit, [kind, windowMs ?? null], who);
  const counters: Counter[] = [];
  if (calls) {
    const { count: most, windowMs } = calls;
    const step = { ask: "add", key: key("calls", windowMs), amount: 1, limit: { most, windowMs } } as const;
    counters.push({ limit, of: "calls", step });
  }
  if (resultBytes) {
    const { bytes: most, windowMs } = resultBytes;
    const step = { ask: "isLeft", key: key("resultBytes", windowMs), limit: { most, windowMs } } as const;
    counters.push({ limit, of: "bytes", step });
  }
  if (concurrent !== undefined) {
    const step = { ask: "place", key: key("concurrent"), place, most: concurrent } as const;
    counters.push({ limit, of: "places", step });
  }
  return counters;
}

/** Nothing in it can be mistaken for something else: it is JSON. */
function keyOf({ policy, rule, per }: AppliedLimit, kind: readonly unknown[], who: LimitedBy): Buffer {
  const counted = JSON.stringify([policy, rule, ...kind, per, ...SCOPES[per](who)]);
  return createHash("sha256").update(counted).digest();
}

const SCOPES = {
  principal: ({ principal }) => [principal],
  session: ({ sessionId }) => [sessionId],
  target: ({ targetId }) => [targetId],
  tool: ({ targetId, operation: [method, name] }) => [targetId, method, name ?? null],
} as const satisfies Record<LimitScope, (who: LimitedBy) => readonly (string | null)[]>;

/** A rule may limit the same twice: then it is counted once, by the lower number. */
function strictestOf(counters: readonly Counter[]): Counter[] {
  const strictest = new Map<string, Counter>();
  for (const counter of counters) {
    const key = counter.step.key.toString("hex");
    const known = strictest.get(key);
    if (!known || mostOf(counter.step) < mostOf(known.step)) strictest.set(key, counter);
  }
  return [...strictest.values()];
}

function mostOf(step: Step): number {
  return step.ask === "place" ? step.most : step.limit.most;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
