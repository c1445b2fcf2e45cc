import { type Caching, type JsonRpcId, LargeMessageScanner, MalformedMessageError } from "@drawbridge/mcp";
import type { ChunkFromTarget } from "../../agents/index.js";
import {
  type RecordingReader,
  RecordingUnavailableError,
  type StoredResponse,
} from "../../recordings/index.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import type { LargeMessage } from "../replies/large-message.js";
import type { Recorder } from "./recorder.js";

// Of what is delivered for a long time. What is recorded is asked for each message instead.
const LOOK_AGAIN_MS = 1_000;

/** Why a response that has come to its end is not delivered. */
export type LargeFailure = "malformed" | "not recorded" | "needs a look";

export interface LargeResponse {
  readonly exchange: number;
  readonly masked: Readonly<Record<string, number>>;
  /** What it answers, as it says itself. */
  readonly id: JsonRpcId | undefined;
  readonly stored: StoredResponse;
  /** The task that it says was made instead. */
  readonly taskId: string | undefined;
  readonly caching: Caching | undefined;
  readonly failure: LargeFailure | undefined;
}

interface Transfer {
  readonly scanner: LargeMessageScanner;
  first: number;
  last: number;
  bytes: number;
  parts: number;
  /** From then on nothing of it is read or kept. */
  failure: LargeFailure | undefined;
}

/**
 * The large responses of one session on their way into the recording. Each piece is checked as any message is and made
 * durable before the next one is read; nothing is held, and nothing reaches the client before the last one is there.
 * How many come at once and how large they are is bounded where they come in (agents/session-transfers.ts).
 */
export class LargeResponses {
  private readonly transfers = new Map<number, Transfer>();

  constructor(
    private readonly session: GatewaySession,
    private readonly recorder: Pick<Recorder, "record">,
  ) {}

  /** Takes one piece. Resolves with the response when that was its last. */
  async take({
    transfer: number,
    payload,
    aborted,
    end,
  }: ChunkFromTarget): Promise<LargeResponse | undefined> {
    if (aborted) {
      this.transfers.delete(number);
      return undefined;
    }
    const transfer = this.transferOf(number);
    if (payload.length > 0) await this.keep(number, transfer, payload);
    if (!end) return undefined;
    this.transfers.delete(number);
    const found = transfer.failure === undefined ? finish(transfer) : NOTHING_FOUND;
    const { first, last, bytes, parts, failure } = transfer;
    return { ...end, ...found, stored: { transfer: number, first, last, bytes, parts }, failure };
  }

  private transferOf(number: number): Transfer {
    const known = this.transfers.get(number);
    if (known) return known;
    const begun = {
      scanner: new LargeMessageScanner(),
      first: 0,
      last: 0,
      bytes: 0,
      parts: 0,
      failure: undefined,
    };
    this.transfers.set(number, begun);
    return begun;
  }

  private async keep(number: number, transfer: Transfer, payload: Buffer): Promise<void> {
    transfer.failure ??= scanned(() => transfer.scanner.push(payload));
    if (transfer.failure !== undefined) return;
    try {
      const { index } = await this.recorder.record(this.session, {
        kind: "response_chunk",
        direction: "target_to_client",
        attributes: { transfer: number },
        payload,
      });
      if (transfer.parts === 0) transfer.first = index;
      transfer.last = index;
      transfer.parts += 1;
      transfer.bytes += payload.length;
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      transfer.failure = "not recorded";
    }
  }
}

/** A large response that is recorded, for whoever is to have it. */
export interface Delivery {
  readonly session: GatewaySession;
  readonly stored: StoredResponse;
  /** Whether the call would be allowed now: its reader may take hours. */
  readonly mayGoOn: () => Promise<boolean>;
}

/** It is read as long as the session is there and the call would be allowed. */
export function storedMessage(
  { session, stored, mayGoOn }: Delivery,
  reader: Pick<RecordingReader, "chunks">,
): LargeMessage {
  return {
    bytes: stored.bytes,
    async *pieces() {
      let lookedAt = 0;
      for await (const piece of reader.chunks(session.id, stored)) {
        if (session.ended) throw new Error("the session ended while a large response was delivered");
        if (Date.now() - lookedAt > LOOK_AGAIN_MS) {
          if (!(await mayGoOn())) throw new Error("access ended while a large response was delivered");
          lookedAt = Date.now();
        }
        yield piece;
      }
    },
  };
}

type Found = Pick<LargeResponse, "caching" | "id" | "taskId">;
const NOTHING_FOUND: Found = { id: undefined, taskId: undefined, caching: undefined };

/** What is in it; without an id, or with a failure, it answers nothing. */
function finish(transfer: Transfer): Found {
  let found = NOTHING_FOUND;
  let mustBeSeen = false;
  transfer.failure = scanned(() => {
    const end = transfer.scanner.end();
    if (end.kind !== "response") return;
    found = { id: end.id, taskId: end.taskId, caching: end.caching };
    // What the target asks for in a result is decided about, and what it says in our name taken out; here nobody could.
    mustBeSeen = end.hasInputRequests === true || end.hasReservedMeta === true;
  });
  if (mustBeSeen) transfer.failure ??= "needs a look";
  return found;
}

function scanned(work: () => void): "malformed" | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof MalformedMessageError) return "malformed";
    throw error;
  }
}
