import { ExchangeFailure } from "@drawbridge/protocol";
import type { MaskStream } from "@drawbridge/masking";
import { type JsonRpcId, LargeMessageScanner, MalformedMessageError } from "@drawbridge/mcp";
import type { LargeMessageSink } from "../targets/target.js";
import type { Brake } from "./brake.js";
import type { Transfer } from "./transfer.js";
import { Turns } from "./turns.js";

/** What a large message of the target needs of its session. */
export interface LargeMessageOwner {
  /** It is being answered; undefined: the transport does not know which, and no other can be answered meanwhile. */
  touch(exchange: number | undefined): void;
  /** The open exchange that a response with this id answers. */
  answeredBy(id: JsonRpcId, exchange: number | undefined): number | undefined;
  /** Whether its response may come in pieces. */
  mayBeLarge(exchange: number): boolean;
  /** The open exchange, if there is one and no other. */
  onlyOpen(): number | undefined;
  /** Its response is on its way: the exchange is over. */
  answered(exchange: number): void;
  fail(exchange: number, failure: ExchangeFailure, reason: string): void;
  /** It was thrown away and no exchange is told. */
  dropped(reason: string): void;
}

export interface LargeMessageOptions {
  /** Where the transport knows it; 0: none in particular. */
  readonly exchange: number | undefined;
  readonly mask: MaskStream;
  readonly transfer: Transfer;
  readonly brake: Brake;
  readonly maxBytes: number;
  readonly owner: LargeMessageOwner;
}

interface Verdict {
  readonly failure: ExchangeFailure;
  readonly reason: string;
}

/**
 * One message of the target that is too large to be kept: read strictly, masked and sent on while it comes. Nothing of
 * it counts before its end, and it has to be the response to a request that is no list. When it cannot be carried to its
 * end it is still read on where only its id tells whose answer it was. Without an id: the only open exchange is told;
 * of several none is, for the wrong one might have had its answer still.
 */
export class LargeMessage implements LargeMessageSink {
  readonly #options: LargeMessageOptions;
  readonly #scanner = new LargeMessageScanner();
  readonly #turns: Turns;
  #bytes = 0;
  #verdict: Verdict | undefined;
  /** The scanner is over, and with it the way to know the id. */
  #isUnreadable = false;
  #isOver = false;

  constructor(options: LargeMessageOptions) {
    this.#options = options;
    this.#turns = new Turns(options.brake, (piece) => this.#take(piece));
  }

  /** Nothing of it is held any more, here or on its way out. */
  get isDone(): boolean {
    return this.#isOver && this.#options.transfer.isDone;
  }

  get isUnderWay(): boolean {
    return this.#options.transfer.isUnderWay;
  }

  push(chunk: Uint8Array): void {
    this.#turns.push(chunk);
  }

  end(exchange = this.#options.exchange): void {
    this.#turns.finish();
    if (this.#isOver) return;
    const answered = this.#isUnreadable ? undefined : this.#readToEnd(exchange);
    // What is no MCP may have told its call already.
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isUnreadable) this.#settleUnreadable(exchange);
    else if (answered === undefined) this.#options.transfer.abort();
    else this.#settle(answered);
  }

  abort(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#turns.drop();
    this.#options.transfer.abort();
    this.#options.owner.dropped(reason);
  }

  /** The stream to the control plane is gone; the outbox has been told. */
  streamLost(): void {
    if (this.#options.transfer.streamLost() === "intact" || this.#isOver) return;
    this.#giveUp({ failure: ExchangeFailure.RESULT_CUT_OFF, reason: "" });
  }

  #take(piece: Uint8Array): void {
    if (this.#isOver || this.#isUnreadable) return;
    const { owner, exchange, maxBytes } = this.#options;
    if (!this.#scan(piece) || this.#verdict) return;
    owner.touch(exchange);
    this.#bytes += piece.length;
    if (this.#bytes > maxBytes) this.#giveUp(tooLarge(maxBytes));
    else this.#mask(piece);
  }

  /** False when it turned out not to be MCP. */
  #scan(chunk: Uint8Array): boolean {
    try {
      this.#scanner.push(chunk);
      return true;
    } catch (error) {
      this.#malformed(error);
      return false;
    }
  }

  #mask(chunk: Uint8Array): void {
    try {
      this.#options.transfer.push(this.#options.mask.push(chunk));
    } catch {
      // Whatever went wrong, what could not be masked does not leave. Why would quote it.
      this.#giveUp(UNMASKABLE);
    }
  }

  /** The open exchange it answers. */
  #readToEnd(exchange: number | undefined): number | undefined {
    try {
      const read = this.#scanner.end();
      if (read.kind !== "response") return this.#drop(`a ${read.kind} of the target is too large`);
      if (read.id === undefined) return this.#drop("a response of the target has no id");
      if (read.hasInputRequests) this.#verdict ??= ASKS_TOO_MUCH;
      const answered = this.#options.owner.answeredBy(read.id, exchange);
      return answered ?? this.#drop("a response of the target to no request");
    } catch (error) {
      this.#malformed(error);
      return undefined;
    }
  }

  #settle(exchange: number): void {
    const { owner, transfer } = this.#options;
    const verdict = this.#verdict ?? (owner.mayBeLarge(exchange) ? undefined : HAS_TO_BE_WHOLE);
    if (!verdict) {
      this.#deliver(exchange);
      return;
    }
    transfer.abort();
    this.#fail(exchange, verdict);
  }

  #settleUnreadable(exchange: number | undefined): void {
    const verdict = this.#verdict ?? UNREADABLE;
    if (exchange) this.#fail(exchange, verdict);
    else this.#options.owner.dropped(verdict.reason);
  }

  #deliver(exchange: number): void {
    const { mask, transfer, owner } = this.#options;
    try {
      const { rest, masked } = mask.end();
      transfer.push(rest);
      owner.answered(exchange);
      transfer.end(exchange, masked);
    } catch {
      transfer.abort();
      this.#fail(exchange, UNMASKABLE);
    }
  }

  /** Where the transport does not know whose answer it is, the rest of it will tell. */
  #giveUp(verdict: Verdict): void {
    this.#verdict = verdict;
    this.#options.transfer.abort();
    const { exchange } = this.#options;
    if (exchange === undefined || exchange === 0) return;
    this.#isOver = true;
    this.#fail(exchange, verdict);
  }

  #malformed(error: unknown): void {
    const { owner, transfer, exchange } = this.#options;
    const id = error instanceof MalformedMessageError ? error.id : undefined;
    this.#isUnreadable = true;
    this.#verdict ??= error instanceof MalformedMessageError ? badTarget(error.message) : UNREADABLE;
    transfer.abort();
    const affected = (id && owner.answeredBy(id, exchange)) ?? exchange ?? owner.onlyOpen();
    if (affected === undefined || affected === 0) return;
    this.#isOver = true;
    this.#fail(affected, this.#verdict);
  }

  #fail(exchange: number, { failure, reason }: Verdict): void {
    this.#options.owner.fail(exchange, failure, reason);
  }

  #drop(reason: string): undefined {
    this.#options.owner.dropped(reason);
    return undefined;
  }
}

const HAS_TO_BE_WHOLE: Verdict = {
  failure: ExchangeFailure.RESULT_TOO_LARGE,
  reason: "the answer to this method has to fit into one message",
};
const ASKS_TOO_MUCH: Verdict = {
  failure: ExchangeFailure.RESULT_TOO_LARGE,
  reason: "a result that asks something of the client has to fit into one message",
};
const UNREADABLE = badTarget("it could not be read");
const UNMASKABLE: Verdict = { failure: ExchangeFailure.UNMASKABLE, reason: "" };

function tooLarge(maxBytes: number): Verdict {
  return { failure: ExchangeFailure.RESULT_TOO_LARGE, reason: `the limit is ${maxBytes} bytes` };
}

function badTarget(reason: string): Verdict {
  return { failure: ExchangeFailure.BAD_TARGET, reason };
}
