import {
  ExchangeFailure,
  type SessionRequest,
  type SessionRequest_ExchangeFailed as ExchangeFailed,
  type SessionRequest_ToolDefinitions as ToolDefinitions,
} from "@drawbridge/protocol";
import type { Masker } from "@drawbridge/masking";
import type { Route } from "./exchanges.js";
import { frameBytes } from "./frame-size.js";
import type { MaskedMessage } from "./masked-message.js";
import type { Outbox } from "./outbox.js";

const LONGEST_REASON = 1_000;

type Frame = NonNullable<SessionRequest["frame"]>;

/** What a session says to the control plane, in frames, but for what goes in pieces. Reasons are masked here. */
export class Reports {
  readonly #outbox: Outbox<SessionRequest>;
  readonly #masker: Masker;

  constructor(outbox: Outbox<SessionRequest>, masker: Masker) {
    this.#outbox = outbox;
    this.#masker = masker;
  }

  /** `shown`: the tools in it, which have to be heard before it. */
  message(
    { exchange, final }: Route,
    { payload, masked }: MaskedMessage,
    shown: readonly ToolDefinitions[] = [],
  ): void {
    const value = { exchange, payload: asBuffer(payload), masked, final };
    const frame: Frame = { $case: "message", value };
    if (final) this.#sayForSure(frame, shown);
    else this.#say(frame);
  }

  /** `reason` adds to what the failure says already, for the control plane puts that into words itself. */
  exchangeFailed(exchange: number, failure: ExchangeFailure, reason: string): void {
    this.#sayFailed({ exchange, failure, message: this.#maskReason(reason), supportedVersions: [] });
  }

  /** `versions`: what the target speaks instead. */
  eraNotSpoken(exchange: number, versions: readonly string[]): void {
    const failure = ExchangeFailure.ERA_NOT_SPOKEN;
    this.#sayFailed({ exchange, failure, message: "", supportedVersions: [...versions] });
  }

  targetVersions(versions: readonly string[]): void {
    this.#say({ $case: "targetVersions", value: { versions: [...versions] } });
  }

  toolDefinitions(tools: ToolDefinitions): void {
    const value = tools.failure === "" ? tools : { ...tools, failure: this.#maskReason(tools.failure) };
    this.#say({ $case: "toolDefinitions", value });
  }

  /** Lines of the target, masked. */
  stderr(masked: string): void {
    this.#say({ $case: "stderr", value: { text: Buffer.from(masked) } });
  }

  targetEnded(reason: string): void {
    this.#say({ $case: "targetEnded", value: { reason: this.#maskReason(reason) } });
  }

  /** Not by the target, whose words the reason therefore does not hold. */
  sessionEnded(reason: string): void {
    this.#say({ $case: "targetEnded", value: { reason } });
  }

  #sayFailed(value: ExchangeFailed): void {
    this.#sayForSure({ $case: "exchangeFailed", value });
  }

  #say(frame: Frame): void {
    this.#outbox.push(sized(frame));
  }

  /** Frames after which an exchange is over: the control plane knows a repeated one by its exchange. */
  #sayForSure(frame: Frame, shown: readonly ToolDefinitions[] = []): void {
    const before = shown.map((value) => sized({ $case: "toolDefinitions", value }));
    const entry = { ...sized(frame), before };
    this.#outbox.push({ ...entry, ifLost: entry });
  }

  /** A reason may name what a target called something, such as the header of an argument. */
  #maskReason(reason: string): string {
    try {
      return this.#masker.maskText(reason).text.slice(0, LONGEST_REASON);
    } catch {
      return "";
    }
  }
}

function sized(frame: Frame): { readonly frame: SessionRequest; readonly bytes: number } {
  return { frame: { frame }, bytes: frameBytes({ frame }) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
