import { setImmediate as turn } from "node:timers/promises";
import { Injectable, Logger } from "@nestjs/common";
import { createMasker } from "@drawbridge/masking";
import { decodeHeaderValue, type McpMessage } from "@drawbridge/mcp";
import type { EventAttributes, EventDirection, EventKind } from "@drawbridge/recording";
import { Clock } from "../../platform/clock.js";
import { RecordingUnavailableError, RecordingWriter } from "../../recordings/index.js";
import type { GatewayDecision } from "../decisions/decide.js";
import type { GatewaySession } from "../sessions/gateway-session.js";

/** Where an event stands in the recording, and the authorization epoch of the moment it became durable. */
export interface Recorded {
  readonly epoch: bigint;
  readonly index: number;
}

export interface ToRecord {
  readonly kind: EventKind;
  readonly direction?: EventDirection;
  readonly exchange?: number;
  readonly method?: string | undefined;
  readonly name?: string | undefined;
  readonly attributes?: EventAttributes;
  /** Masked already. */
  readonly payload?: Uint8Array;
  readonly decision?: GatewayDecision;
}

const NOTHING = new Uint8Array();
// What is masked in one turn of the event loop: some text takes a third of a second a MiB, and everybody waits for it.
const MASKED_AT_ONCE = 512 * 1024;
const PIECE = 64 * 1024;

/** Writes what a session says and hears into its recording. */
@Injectable()
export class Recorder {
  private readonly logger = new Logger("gateway");
  private readonly masker = createMasker();

  constructor(
    private readonly writer: RecordingWriter,
    private readonly clock: Clock,
  ) {}

  /**
   * The copy of a client's message that may be kept.
   * @throws UnmaskableError: then the message cannot be recorded, and so is not sent
   */
  async maskedCopy({ bytes }: McpMessage): Promise<{ payload: Uint8Array; masked: Record<string, number> }> {
    if (bytes.length <= MASKED_AT_ONCE) return this.masker.maskMessage(bytes);
    const stream = this.masker.maskStream();
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += PIECE) {
      parts.push(...stream.push(bytes.subarray(at, at + PIECE)));
      await turn();
    }
    const { rest, masked } = stream.end();
    return { payload: Buffer.concat([...parts, ...rest]), masked };
  }

  /** The copy that may be kept of Mcp-Param-* headers, as the target reads them. @throws UnmaskableError */
  maskedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
    const masked = Object.entries(headers).map(([name, value]) => {
      const { text } = this.masker.maskText(`${name}: ${decodeHeaderValue(value) ?? value}`);
      return [name, text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text] as const;
    });
    return Object.fromEntries(masked);
  }

  /** The copy that may be kept of our own answer, which repeats what the client named. @throws UnmaskableError */
  maskedBytes(message: Uint8Array): Uint8Array {
    return this.masker.maskMessage(message).payload;
  }

  /** Text that repeats what a client sent. */
  maskedText(text: string): string {
    try {
      return this.masker.maskText(text).text;
    } catch {
      return "[not maskable]";
    }
  }

  /** Resolves when durable. @throws RecordingUnavailableError */
  record(session: GatewaySession, event: ToRecord): Promise<Recorded> {
    return this.writer.append(this.entry(session.id, event));
  }

  /** Undefined when it could not be recorded; then it must not be delivered either. */
  async tryToRecord(session: GatewaySession, event: ToRecord): Promise<Recorded | undefined> {
    try {
      return await this.record(session, event);
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      this.logger.warn("a message of a target could not be recorded and is withheld", error.message);
      return undefined;
    }
  }

  /** For the end of an exchange, which is told in any case. Resolves with its index; undefined when it is still owed. */
  async recordOrOwe(session: GatewaySession, event: ToRecord): Promise<number | undefined> {
    const recorded = await this.tryToRecord(session, event);
    if (!recorded) this.owe(session, event);
    return recorded?.index;
  }

  /** For what has to be said in the recording even if it cannot be said now. */
  owe(session: GatewaySession, event: ToRecord): void {
    this.writer.owe(this.entry(session.id, event));
  }

  /** The last event. */
  async close(sessionId: string, reason: string): Promise<void> {
    await this.writer.close(
      sessionId,
      this.entry(sessionId, { kind: "session_closed", attributes: { reason } }).event,
    );
  }

  private entry(recordingId: string, event: ToRecord) {
    const {
      kind,
      direction = "none",
      exchange = 0,
      method,
      name,
      attributes = {},
      payload = NOTHING,
      decision,
    } = event;
    return {
      recordingId,
      event: {
        kind,
        direction,
        exchange,
        at: this.clock.now().getTime(),
        method,
        // Of a resource it is a URI, which may hold a credential.
        name: name === undefined ? undefined : this.maskedText(name),
        attributes,
        payload,
      },
      ...(decision ? { decision: { ...decision, reason: this.maskedText(decision.reason) } } : {}),
    };
  }
}
