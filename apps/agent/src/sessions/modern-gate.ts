import type { TargetDefinition } from "@drawbridge/protocol";
import { isModernRevision } from "@drawbridge/mcp";
import type { Asked } from "../targets/era-probe.js";
import type { OutgoingMessage } from "../targets/target.js";
import { HeldMessages } from "./held-messages.js";

/** What is known of the revisions that targets speak. */
export interface Revisions {
  /** Undefined when it was not asked lately. */
  known(definition: TargetDefinition, asks: Asked): readonly string[] | undefined;
  /** Asks the target, on a connection or process of its own. Throws when it cannot be reached or is not allowed here. */
  learn(definition: TargetDefinition, asks: Asked): Promise<readonly string[]>;
}

/** How a session finds out whether its target speaks its era. */
export interface EraQuestions {
  readonly definition: TargetDefinition;
  readonly revisions: Revisions;
  readonly onLearned: (versions: readonly string[]) => void;
  /** The target speaks other revisions only, and the exchange cannot go on. */
  readonly onNotSpoken: (exchange: number, versions: readonly string[]) => void;
}

export interface ModernGateOptions extends EraQuestions {
  /** What may wait while the target is asked. */
  readonly heldBytes: number;
  readonly pass: (message: OutgoingMessage) => void;
  readonly onUnknown: (message: OutgoingMessage, error: unknown) => void;
}

/**
 * What a client of a modern session sends waits here until the target is known to speak a modern revision: to a process
 * that does not, the first request alone could do harm. Order is kept.
 */
export class ModernGate {
  readonly #options: ModernGateOptions;
  readonly #held: HeldMessages<OutgoingMessage>;
  #isAsking = false;
  #isOpen = false;

  constructor(options: ModernGateOptions) {
    this.#options = options;
    this.#held = new HeldMessages(options.heldBytes);
  }

  /** False: too much waits already; the message was not taken. */
  send(message: OutgoingMessage): boolean {
    if (this.#isAsking) return this.#held.push(message);
    const { revisions, definition, pass } = this.#options;
    const known = this.#isOpen ? undefined : revisions.known(definition, "modern");
    if (this.#isOpen) pass(message);
    else if (known) this.#judge(known, [message]);
    else {
      this.#held.push(message);
      void this.#ask();
    }
    return true;
  }

  /** True when the request of this exchange was still here and now never leaves. */
  withdraw(exchange: number): boolean {
    return this.#held.remove(exchange);
  }

  async #ask(): Promise<void> {
    const { revisions, definition, onLearned, onUnknown } = this.#options;
    this.#isAsking = true;
    const answer = await revisions.learn(definition, "modern").catch((error: unknown) => ({ error }));
    this.#isAsking = false;
    const held = this.#held.takeAll();
    if ("error" in answer) {
      for (const message of held) onUnknown(message, answer.error);
      return;
    }
    onLearned(answer);
    this.#judge(answer, held);
  }

  #judge(versions: readonly string[], messages: readonly OutgoingMessage[]): void {
    const { pass, onNotSpoken } = this.#options;
    this.#isOpen = versions.some((version) => isModernRevision(version));
    for (const message of messages) {
      if (this.#isOpen) pass(message);
      else onNotSpoken(message.exchange, versions);
    }
  }
}
