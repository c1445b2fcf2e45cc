import { errorCodeOf, isModernRevision, type McpMessage, RpcErrorCode } from "@drawbridge/mcp";
import type { Logger } from "pino";
import { TargetRefusedError } from "../targets/target-refused-error.js";
import type { Exchanges, Route } from "./exchanges.js";
import type { EraQuestions } from "./modern-gate.js";

export interface FailedInitializeOptions extends EraQuestions {
  readonly exchanges: Exchanges;
  readonly log: Logger;
}

/**
 * Why a legacy session's initialize failed. A target that speaks modern revisions only may answer it with any error, or
 * leave; what the client has to hear then is not that.
 */
export class FailedInitialize {
  readonly #options: FailedInitializeOptions;
  #asking: { readonly exchange: number; readonly done: Promise<void> } | undefined;

  constructor(options: FailedInitializeOptions) {
    this.#options = options;
  }

  /** The initialize that has no response yet. */
  get open(): number | undefined {
    const { exchanges } = this.#options;
    return exchanges.open.find((exchange) => exchanges.requestOf(exchange)?.method === "initialize");
  }

  isAsking(exchange: number): boolean {
    return this.#asking?.exchange === exchange;
  }

  /** True for an error in answer to it. A target that names its revisions there itself has said it all. */
  isFailure(message: McpMessage, { exchange, final }: Route): boolean {
    if (message.kind !== "response" || !message.isError || !final) return false;
    return exchange === this.open && errorCodeOf(message) !== RpcErrorCode.UnsupportedProtocolVersion;
  }

  /** `otherwise`: what to do when its era is not the reason. Whatever else goes wrong meanwhile is of no interest. */
  explain(exchange: number, otherwise: () => void): Promise<void> {
    this.#asking ??= { exchange, done: this.#explain(exchange, otherwise) };
    return this.#asking.done;
  }

  async #explain(exchange: number, otherwise: () => void): Promise<void> {
    const versions = await this.#learn();
    this.#asking = undefined;
    const isModernOnly = versions.length > 0 && versions.every((version) => isModernRevision(version));
    if (isModernOnly) this.#options.onNotSpoken(exchange, versions);
    else otherwise();
  }

  /** Nothing when it cannot be found out. */
  async #learn(): Promise<readonly string[]> {
    const { definition, revisions, onLearned, log } = this.#options;
    const known = revisions.known(definition, "all");
    if (known) return known;
    try {
      const learned = await revisions.learn(definition, "all");
      onLearned(learned);
      return learned;
    } catch (error) {
      const reason = error instanceof TargetRefusedError ? error.message : "unknown error";
      log.info({ reason }, "what the target speaks could not be found out");
      return [];
    }
  }
}
