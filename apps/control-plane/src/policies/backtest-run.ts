import type { BacktestLine } from "@drawbridge/contracts";
import type { RecordedStep } from "../recordings/index.js";
import type { BacktestJudge } from "./backtest-judge.js";
import { FairTurns } from "../platform/fair-turns.js";

type Changed = Extract<BacktestLine, { line: "changed" }>;
type Summary = Extract<BacktestLine, { line: "summary" }>;
type Count = Summary["counts"][number];

const PROGRESS_EVERY = { operations: 1_000, ms: 1_000 };
/** Principals, targets, tools and decisions that are counted apart. What is beyond is counted together. */
const COUNTED_APART = 10_000;

export interface RecordedPart {
  counts(): AsyncGenerator<number>;
  steps(): AsyncGenerator<RecordedStep>;
}

/** One backtest under way: its lines, in the order they are found. */
export class BacktestRun {
  private total = 0;
  private done = 0;
  private changed = 0;
  private uncertain = 0;
  private unreadable = 0;
  private readonly counts = new Map<string, Count>();
  private told = { done: 0, at: performance.now() };
  private readonly turns = new FairTurns();
  private isStopped = false;

  constructor(
    private readonly recorded: RecordedPart,
    private readonly judge: BacktestJudge,
  ) {}

  /** Nobody reads the lines any more: it ends at the next operation. */
  stop(): void {
    this.isStopped = true;
  }

  /** How far it is, for while nothing else is to be told. */
  progress(): BacktestLine {
    this.told = { done: this.done, at: performance.now() };
    return { line: "progress", done: this.done, total: Math.max(this.total, this.done) };
  }

  async *lines(): AsyncGenerator<BacktestLine> {
    for await (const count of this.recorded.counts()) {
      if (this.isStopped) return;
      this.total += count;
    }
    yield this.progress();
    for await (const step of this.recorded.steps()) {
      if (this.isStopped) return;
      const change = this.take(step);
      if (change) yield change;
      if (this.isProgressDue()) yield this.progress();
      await this.turns.next();
    }
    yield this.progress();
    yield this.summary();
  }

  private isProgressDue(): boolean {
    const { done, at } = this.told;
    return this.done - done >= PROGRESS_EVERY.operations || performance.now() - at >= PROGRESS_EVERY.ms;
  }

  private take(step: RecordedStep): Changed | undefined {
    if (step.kind === "result") {
      this.judge.countResult(step.session, step.bytes);
      return undefined;
    }
    if (step.kind === "unreadable") {
      this.done += step.count;
      this.unreadable += step.count;
      return undefined;
    }
    const judgement = this.judge.judge(step);
    if (!step.isInPeriod) return undefined;
    this.done += 1;
    if (!judgement) this.unreadable += 1;
    if (judgement?.uncertain) this.uncertain += 1;
    if (!judgement?.change) return undefined;
    const change = { line: "changed", ...judgement.change } as const;
    this.changed += 1;
    this.count(change);
    return change;
  }

  private count({ principal, target, method, name = method, was, now }: Changed): void {
    const key = JSON.stringify([principal, target, name, was, now]);
    const isApart = this.counts.has(key) || this.counts.size < COUNTED_APART;
    const [counted, row] = isApart
      ? [key, { principal, target, name, was, now }]
      : [JSON.stringify([was, now]), { principal: "*", target: "*", name: "*", was, now }];
    const count = this.counts.get(counted)?.count ?? 0;
    this.counts.set(counted, { ...row, count: count + 1 });
  }

  /** The most frequent first. */
  private summary(): Summary {
    return {
      line: "summary",
      operations: this.done,
      changed: this.changed,
      uncertain: this.uncertain,
      unreadable: this.unreadable,
      counts: [...this.counts.values()].toSorted((a, b) => b.count - a.count),
    };
  }
}
