import { createHash } from "node:crypto";
import { Injectable, Logger, type OnModuleInit } from "@nestjs/common";
import { Clock } from "./clock.js";
import { DomainError } from "./errors.js";
import { IdempotencyRepository, type IdempotencyScope } from "./idempotency.repository.js";
import { Jobs } from "./jobs.js";
import { KeyEncryption } from "./key-encryption.js";

const KEPT_MS = 24 * 3_600_000;
/** Longer than any creation takes. */
const RUNNING_MS = 60_000;
const CLEAN_EVERY_MS = 3_600_000;
const PURPOSE = "idempotency";

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * One creation for one Idempotency-Key. A process that dies between creating and keeping the answer leaves a key that
 * is in use for a minute and then free: a repeat after that creates again. Whatever must never be created twice needs
 * a unique constraint as well.
 */
@Injectable()
export class IdempotencyKeys implements OnModuleInit {
  private readonly logger = new Logger("idempotency");

  constructor(
    private readonly stored: IdempotencyRepository,
    private readonly keys: KeyEncryption,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.jobs.repeat("idempotency-keys", CLEAN_EVERY_MS, () => this.deleteOld());
  }

  /**
   * Runs `create` unless it ran before for this key and body; then the kept answer is given again.
   * @throws DomainError idempotency_key_reused, idempotency_key_in_use, and what `create` throws
   */
  async once(scope: IdempotencyScope, body: unknown, create: () => Promise<Answer>): Promise<Answer> {
    const requestDigest = createHash("sha256")
      .update(JSON.stringify(body ?? null))
      .digest();
    const now = this.clock.now();
    const claimed = await this.stored.claim(scope, {
      requestDigest,
      now,
      keptSince: new Date(now.getTime() - KEPT_MS),
      runningSince: new Date(now.getTime() - RUNNING_MS),
    });
    if (!claimed) return this.repeat(scope, requestDigest);

    let answer: Answer;
    try {
      answer = await create();
    } catch (error) {
      // A failure is not remembered: the corrected request may use the same key.
      await this.attempt(this.stored.release(scope, now));
      throw error;
    }
    await this.attempt(
      this.stored.finish(scope, now, { status: answer.status, response: this.seal(scope, answer) }),
    );
    return answer;
  }

  async deleteOld(): Promise<void> {
    await this.stored.deleteBefore(new Date(this.clock.now().getTime() - KEPT_MS));
  }

  private async repeat(scope: IdempotencyScope, requestDigest: Uint8Array): Promise<Answer> {
    const before = await this.stored.find(scope);
    if (before && !Buffer.from(before.requestDigest).equals(requestDigest)) {
      throw new DomainError(
        "idempotency_key_reused",
        "this Idempotency-Key was used for another request; make a new one for each creation",
      );
    }
    if (before?.status == null || !before.response) {
      throw new DomainError(
        "idempotency_key_in_use",
        "the first request with this Idempotency-Key has not finished; repeat it in a moment",
      );
    }
    return { status: before.status, body: this.open(scope, before.response) };
  }

  /** Sealed, because an answer may hold a secret that is shown once. */
  private seal(scope: IdempotencyScope, { body }: Answer): Buffer {
    return this.keys.seal(PURPOSE, contextOf(scope), Buffer.from(JSON.stringify({ body })));
  }

  private open(scope: IdempotencyScope, sealed: Uint8Array): unknown {
    const text = this.keys.open(PURPOSE, contextOf(scope), sealed).toString("utf8");
    return (JSON.parse(text) as { body?: unknown }).body;
  }

  /** The creation has been decided by now; whoever asked hears of it whether or not that can be kept. */
  private async attempt(write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch (error) {
      this.logger.warn(
        "an idempotency key could not be updated",
        error instanceof Error ? error.message : undefined,
      );
    }
  }
}

function contextOf({ principal, route, key }: IdempotencyScope): string {
  return JSON.stringify([principal, route, key]);
}
