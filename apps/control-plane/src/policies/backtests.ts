import { Injectable, Logger } from "@nestjs/common";
import type { BacktestLine, BacktestPolicies } from "@drawbridge/contracts";
import { compilePolicies, type PolicyDocument } from "@drawbridge/policy";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { DomainError } from "../platform/errors.js";
import { RecordedOperations } from "../recordings/index.js";
import { BacktestJudge, NOT_JUDGED } from "./backtest-judge.js";
import { BacktestRun } from "./backtest-run.js";
import { readCandidates, withCandidates } from "./candidate-policies.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";
import { LiveSurroundings } from "./live-surroundings.js";
import { withPauses } from "./with-pauses.js";

const MAX_DAYS = 90;
const AT_ONCE = 2;
const PROGRESS_EVERY_MS = 1_000;

interface Period {
  readonly from: Date;
  readonly to: Date;
}

export interface StartedBacktest {
  /** JSON Lines. What goes wrong from here on is a line. */
  readonly lines: AsyncGenerator<string>;
  /** To be called when nobody reads on, whether they ended or not. */
  readonly done: () => void;
}

/** What candidates would have decided about what was asked in the past. */
@Injectable()
export class Backtests {
  private readonly logger = new Logger("policies");
  private running = 0;

  constructor(
    private readonly clock: Clock,
    private readonly live: LiveSurroundings,
    private readonly recorded: RecordedOperations,
    private readonly audit: AuditLog,
  ) {}

  /** @throws DomainError invalid_request, too_many_backtests, or as applying a candidate does */
  async start(principal: Principal, { candidates, ...asked }: BacktestPolicies): Promise<StartedBacktest> {
    const period = this.periodOf(asked);
    const documents = await readCandidates(candidates);
    if (this.running >= AT_ONCE) {
      const said = `${AT_ONCE} backtests are under way; try again when one of them is done`;
      throw new DomainError("too_many_backtests", said);
    }
    this.running += 1;
    try {
      const run = await this.run(documents, period);
      await this.recordStart(principal, documents, period);
      return {
        lines: this.linesOf(run),
        done: () => {
          run.stop();
          this.running -= 1;
        },
      };
    } catch (error) {
      this.running -= 1;
      throw error;
    }
  }

  private periodOf({ from, to }: Omit<BacktestPolicies, "candidates">): Period {
    const period = { from: new Date(from), to: to === undefined ? this.clock.now() : new Date(to) };
    const days = (period.to.getTime() - period.from.getTime()) / 86_400_000;
    if (days > 0 && days <= MAX_DAYS) return period;
    throw new DomainError("invalid_request", "the period is none that can be looked at", [
      days > 0
        ? { path: "from", message: `a period has at most ${MAX_DAYS} days` }
        : { path: "to", message: "the period must end after it begins" },
    ]);
  }

  private async run(documents: readonly PolicyDocument[], period: Period): Promise<BacktestRun> {
    const policies = withCandidates(await this.live.policies(), documents);
    const { targets, pins } = await this.live.now();
    const judge = new BacktestJudge({
      policies: compilePolicies(policies, ENFORCED_FEATURES),
      targets: new Map([...targets.values()].map((target) => [target.id, target])),
      pins,
    });
    const wanted = { period, exceptMethods: NOT_JUDGED, withResults: policies.some(asksForResults) };
    const recorded = {
      counts: () => this.recorded.counts(wanted),
      steps: () => this.recorded.steps(wanted),
    };
    return new BacktestRun(recorded, judge);
  }

  private async *linesOf(run: BacktestRun): AsyncGenerator<string> {
    try {
      const lines = withPauses(run.lines(), PROGRESS_EVERY_MS, () => run.progress());
      for await (const line of lines) yield textOf(line);
    } catch (error) {
      this.logger.error("a backtest failed", error instanceof Error ? error.stack : String(error));
      yield textOf({
        line: "failed",
        detail: "something went wrong here, so it is not complete; the operator finds it in the log",
      });
    }
  }

  private recordStart(
    principal: Principal,
    documents: readonly PolicyDocument[],
    { from, to }: Period,
  ): Promise<void> {
    return this.audit.record(undefined, {
      actor: principal.id,
      action: "policy.backtested",
      subject: documents.map(({ metadata }) => metadata.name).join(","),
      details: { from: from.toISOString(), to: to.toISOString() },
    });
  }
}

/** How large results were is only read where a condition could ask for it: all of them would have to be opened. */
function asksForResults({ document }: { readonly document: PolicyDocument }): boolean {
  return document.spec.rules.some(({ when }) => when?.includes("resultBytes"));
}

function textOf(line: BacktestLine): string {
  return `${JSON.stringify(line)}\n`;
}
