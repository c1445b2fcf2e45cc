import { ExchangeFailure } from "@drawbridge/protocol";
import type { Masker } from "@drawbridge/masking";

export type MaskedMessage = ReturnType<Masker["maskMessage"]>;

/** Why a message of the target does not leave this host. */
export interface Withheld {
  readonly failure: ExchangeFailure;
  /** Quotes nothing of the message. */
  readonly reason: string;
}

export interface MaskingOptions {
  readonly masker: Masker;
  /** Of the masked message. */
  readonly maxBytes: number;
}

/** The message as it may leave this host, or why it may not. */
export function maskOrWithhold(
  payload: Uint8Array,
  { masker, maxBytes }: MaskingOptions,
): MaskedMessage | Withheld {
  try {
    const masked = masker.maskMessage(payload);
    if (masked.payload.length <= maxBytes) return masked;
    return { failure: ExchangeFailure.RESULT_TOO_LARGE, reason: `the limit is ${maxBytes} bytes` };
  } catch {
    // Whatever went wrong, what could not be masked does not leave. Why would quote it.
    return { failure: ExchangeFailure.UNMASKABLE, reason: "" };
  }
}
